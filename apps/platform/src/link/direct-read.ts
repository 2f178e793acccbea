/**
 * Reads sockets into one buffer that all of them share, instead of a new one for every read.
 *
 * Node can do this for sockets that it connects (`onread` of `net.connect`); for those that a server
 * accepts there is no public way, so this sets the same three fields on them. It is an optimization
 * that must never matter otherwise: {@link directReadsWork} tries it on a socket of its own when the
 * process starts, {@link readDirectly} refuses sockets that look different from what it knows, and
 * callers listen to `data` events in any case.
 *
 * Observed: Node 20 to 26.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A reader takes all it wants before it returns, so one buffer serves every socket of the process. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

interface Handle {
  useUserBuffer(buffer: Buffer): void;
}
type Fields = Record<symbol, unknown> & { readonly _handle?: Partial<Handle> | null };

/**
 * Has a socket hand its bytes to `onBytes`, which must be done with them when it returns. False where
 * this socket cannot: it then emits `data` as always.
 */
export function readDirectly(socket: Socket, onBytes: (chunk: Buffer) => void): boolean {
  const fields = socket as unknown as Fields;
  const handle = fields._handle;
  const buffer = emptyField(fields, 'kBuffer');
  const callback = emptyField(fields, 'kBufferCb');
  const generator = emptyField(fields, 'kBufferGen');
  if (buffer === undefined || callback === undefined || generator === undefined) return false;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  fields[buffer] = shared;
  fields[callback] = (bytes: number): boolean => {
    onBytes(bytes === shared.length ? shared : shared.subarray(0, bytes));
    return true;
  };
  handle.useUserBuffer(shared);
  return true;
}

/** Whether this version of Node reads an accepted socket directly; tried out over loopback. */
export async function directReadsWork(): Promise<boolean> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connect(port, '127.0.0.1');
  try {
    const [socket] = (await once(server, 'connection')) as [Socket];
    const seen = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(false));
      socket.once('close', () => resolve(false));
      const taken = readDirectly(socket, (chunk) => resolve(chunk.toString('latin1') === 'direct'));
      if (!taken) resolve(false);
    });
    client.write('direct');
    return await seen.finally(() => socket.destroy());
  } finally {
    client.destroy();
    server.close();
  }
}

/** The symbol of a field that exists and is null, as it is on a socket that nobody reads directly. */
function emptyField(fields: Fields, name: string): symbol | undefined {
  const symbol = Object.getOwnPropertySymbols(fields).find((own) => own.description === name);
  return symbol !== undefined && fields[symbol] === null ? symbol : undefined;
}
