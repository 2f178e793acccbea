/**
 * A TCP transfer between two lab hosts. `transfer.ts receive` tells its parent a port, then the SHA-256 of
 * what arrived there; `transfer.ts send <address> <port> <bytes> [<seconds>]` tells the SHA-256 of what it
 * sent, all at once or spread over some seconds.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the parent is told, one or the other. */
export interface Told {
  readonly port?: number;
  readonly sha256?: string;
}

const [mode, address, port, bytes, seconds = '0'] = process.argv.slice(2);
/** Between two pieces of a transfer that takes its time, ms. */
const PACE_MS = 50;
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
  const digest = createHash('sha256').update(data).digest('hex');
  const pieces = Readable.from(paced(data, Number(seconds) * 1_000));
  pieces.pipe(connect(Number(port), address)).on('finish', () => tell({ sha256: digest }));
}

async function receive(socket: Socket): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of socket) hash.update(chunk as Uint8Array);
  tell({ sha256: hash.digest('hex') });
}

async function* paced(data: Uint8Array, durationMs: number): AsyncGenerator<Uint8Array> {
  const size = Math.ceil(data.length / Math.max(1, durationMs / PACE_MS));
  for (let at = 0; at < data.length; at += size) {
    yield data.subarray(at, at + size);
    if (durationMs > 0) await sleep(PACE_MS);
  }
}
