/**
 * The unix socket on which the administrators' API listens for the CLI. Its file mode is the whole
 * access control: whoever may open it administrates the server.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { MallaError } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { reasonOf } from '@malla/platform/denied';
import { httpService } from '@malla/platform/http/http-server';
import { makeFolder } from '@malla/platform/make-folder';
import { apiListener } from './listener.ts';

export interface SocketAddress {
  readonly path: string;
  /** File mode, such as 0o770. */
  readonly mode: number;
}

export interface SocketListener {
  /** Lets requests under way end, then removes the socket. */
  stop(): Promise<void>;
}

export interface SocketApp {
  fetch(request: Request): Response | Promise<Response>;
}

/** How long requests may take to end when the server stops, ms. */
const STOP_GRACE_MS = 1_000;

/** Listens on a unix socket. Throws MallaError `listen.failed`. */
export async function listenSocket(
  address: SocketAddress,
  app: SocketApp,
  log: Logger,
): Promise<SocketListener> {
  const service = httpService({
    onRequest: apiListener((request) => app.fetch(request), log),
    takesUpgrade: () => false,
    onUpgrade: () => {},
    onError: (error) => log.error({ err: error }, 'connection not accepted'),
  });
  try {
    makeFolder(dirname(address.path));
    await removeStale(address.path);
    await listen(service.servers[0], address);
  } catch (error) {
    throw new MallaError(
      'listen.failed',
      `cannot listen on the socket ${address.path}: ${reasonOf(error, address.path, 'replace')}`,
      { cause: error },
    );
  }
  return { stop: () => service.stop(STOP_GRACE_MS) };
}

/** The socket is made without rights for others; only then it gets the mode that is wanted. */
async function listen(server: Server, address: SocketAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const umask = process.umask(0o177);
    server.listen(address.path, resolve);
    process.umask(umask);
  });
  await chmod(address.path, address.mode);
}

/** Removes what a server that was killed left behind. A socket that answers belongs to one that runs. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('there is a file that is no socket');
  if (await answers(path)) throw new Error('another server is listening there');
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => done(true));
    // EACCES: somebody else's, and perhaps alive.
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code !== 'ECONNREFUSED'));
  });
}
