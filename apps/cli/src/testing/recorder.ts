/** For tests of transports: a server that records what it is asked. */
import { once } from 'node:events';
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http';
import type { Server as TcpServer } from 'node:net';

export interface Seen {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers with JSON. */
export function recorder(seen: Seen[]): RequestListener {
  return (request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      response.end('{"é":1}');
    });
  };
}

/** Listens on a socket or a free port until it is disposed of. */
export async function listen(
  server: Server | TcpServer,
  path?: string,
): Promise<AsyncDisposable & { port: number }> {
  server.listen(path ?? { host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'string' ? 0 : (address?.port ?? 0),
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
