/**
 * One UDP socket inside a lab host, driven over IPC by the tests of the lab itself: it tells its parent
 * where each packet came from, and sends what the parent asks it to.
 */
import { createSocket } from 'node:dgram';

/** What the parent may ask for. */
export interface Send {
  readonly address: string;
  readonly port: number;
  readonly text: string;
}

/** What the parent is told: once where the socket listens, then each packet sent and each that arrives. */
export type Told =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'sent'; readonly text: string }
  | {
      readonly kind: 'received';
      readonly text: string;
      readonly address: string;
      readonly port: number;
    };

const socket = createSocket('udp4');
const tell = (told: Told): void => void process.send?.(told);

socket.on('message', (data, from) =>
  tell({ kind: 'received', text: data.toString(), address: from.address, port: from.port }),
);
// A blocked packet makes send fail with EPERM; the test sees that nothing arrives.
process.on('message', ({ address, port, text }: Send) =>
  socket.send(text, port, address, () => tell({ kind: 'sent', text })),
);
process.on('disconnect', () => socket.close());
socket.bind(0, () => tell({ kind: 'listening', port: socket.address().port }));
