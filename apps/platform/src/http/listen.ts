/**
 * Listening at a port, with several listeners where the system can have them. The event loop accepts one
 * connection of each listener in a round, and the system spreads those that arrive over the listeners: so
 * where hundreds wait to be accepted and rounds are long, each waits for fewer of them.
 *
 * Observed: Node 26, whose libuv accepts one connection a round.
 */
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import { MallaError } from '@malla/base/error';

export interface ListenAt {
  /** Name or IP literal; undefined: all addresses of both families. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
}

/**
 * Connections that wait for the listeners to accept them, as far as the system lets them. Each takes
 * 0.1 ms; who finds no place among them tries again after a second, and then after two.
 */
const BACKLOG = 2_048;

/**
 * Has the servers listen at the same port; where the system cannot, only the first. Throws MallaError
 * `listen.failed` with one sentence that says why.
 */
export async function listenAt(
  servers: readonly [Server, ...Server[]],
  at: ListenAt,
): Promise<AddressInfo> {
  const [first, ...others] = servers;
  const options = {
    port: at.port,
    backlog: Math.ceil(BACKLOG / servers.length),
    ...(at.host === undefined ? {} : { host: at.host }),
  };
  const lone = (): Promise<void> => listen(first, { ...options, backlog: BACKLOG });
  try {
    if (others.length === 0) await lone();
    else {
      // Two programs may have a port together where both ask for that: nobody is to have ours.
      await probe(options);
      await listen(first, { ...options, reusePort: true }).catch(unsupported(lone));
    }
    const { port } = addressOf(first);
    for (const server of others) {
      await listen(server, { ...options, port, reusePort: true }).catch(unsupported(() => {}));
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw listenError(error as NodeJS.ErrnoException, at);
  }
  return addressOf(first);
}

/** Rejects where nobody else may listen there, as somebody does. */
async function probe(options: ListenOptions): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await listen(server, options);
  await new Promise((resolve) => server.close(resolve));
}

/** What to do instead where the system does not let several have a port. */
function unsupported(
  instead: () => void | Promise<void>,
): (error: unknown) => void | Promise<void> {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error;
    return instead();
  };
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function addressOf(server: Server): AddressInfo {
  return server.address() as AddressInfo;
}

/** One sentence for a failed listen. */
function listenError(error: NodeJS.ErrnoException, at: ListenAt): MallaError {
  const where = `${at.host ?? 'all addresses'} port ${at.port}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program uses it already',
    EACCES: 'this needs more rights (ports below 1024 usually do)',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new MallaError('listen.failed', `cannot listen on ${where}: ${reason}`, { cause: error });
}
