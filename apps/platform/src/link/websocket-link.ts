/**
 * A {@link Link} over a WebSocket, as clients in browsers use: DERP's byte stream in binary messages,
 * whose borders mean nothing.
 */
import type { RawData, WebSocket } from 'ws';
import type { Link, LinkEvents } from './link.ts';

/** Observed: client 1.102 closes a WebSocket that brings a longer message. */
const MAX_MESSAGE_BYTES = 32_768;

/** Sends a part of a byte stream in messages that official clients take. `done` is called once. */
export function sendBytes(
  socket: WebSocket,
  bytes: Uint8Array,
  done: (error?: Error | null) => void,
): void {
  let sent = 0;
  for (; bytes.length - sent > MAX_MESSAGE_BYTES; sent += MAX_MESSAGE_BYTES) {
    socket.send(bytes.subarray(sent, sent + MAX_MESSAGE_BYTES), { binary: true });
  }
  socket.send(bytes.subarray(sent), { binary: true }, done);
}

export class WebSocketLink implements Link {
  readonly #socket: WebSocket;
  #events: LinkEvents | undefined;

  /** The socket's `binaryType` must be `nodebuffer`, its default. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  start(events: LinkEvents): void {
    this.#events = events;
    const socket = this.#socket;
    socket.on('error', () => socket.terminate());
    socket.once('close', () => events.onClosed());
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary && Buffer.isBuffer(data)) events.onBytes(data);
      else socket.terminate();
    });
  }

  write(bytes: Uint8Array): boolean {
    sendBytes(this.#socket, bytes, (error) => {
      if (error === undefined || error === null) this.#events?.onWritten();
    });
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.close(1001);
  }

  destroy(): void {
    this.#socket.terminate();
  }
}
