/**
 * A TCP transfer between two lab hosts. `transfer.ts receive` tells its parent a port, then the SHA-256 of
 * what arrived there; `transfer.ts send <address> <port> <bytes>` tells the SHA-256 of what it sent.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';

/** What the parent is told, one or the other. */
export interface Told {
  readonly port?: number;
  readonly sha256?: string;
}

const [mode, address, port, bytes] = process.argv.slice(2);
const tell = (told: Told): void => void process.send?.(told, () => undefined);

if (mode === 'receive') {
  const server = createServer((socket) => {
    server.close();
    void receive(socket);
  });
  // All families: the tunnel may offer either.
  server.listen(0, () => {
    const listening = server.address();
    if (listening !== null && typeof listening === 'object') tell({ port: listening.port });
  });
} else {
  const data = randomBytes(Number(bytes));
  connect(Number(port), address).end(data, () =>
    tell({ sha256: createHash('sha256').update(data).digest('hex') }),
  );
}

async function receive(socket: Socket): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of socket) hash.update(chunk as Uint8Array);
  tell({ sha256: hash.digest('hex') });
}
