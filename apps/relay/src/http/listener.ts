/**
 * The relay's own HTTP/1.1 listener, TLS or plain, with the bounds that facing the internet needs.
 * Requests for DERP keep their socket; all others are answered by a {@link Route}.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { CertificateChain } from '../tls/relay-certificate.ts';
import { http, https } from './builtin.ts';
import type { Route } from './routes.ts';
import type { DerpUpgrade } from './upgrade.ts';

export interface ListenerOptions {
  /** Name or IP literal; absent: all addresses of both families. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Absent: plain HTTP. */
  readonly tls?: CertificateChain;
  readonly route: Route;
  /** Absent: this listener has no DERP. */
  readonly upgrade?: DerpUpgrade;
  /** Whether to accept a connection at all; others are closed before they cost anything. */
  readonly accepts?: () => boolean;
  readonly maxConnections: number;
  readonly log: Logger;
}

export interface Listener {
  readonly address: AddressInfo;
  /** Shows another certificate to connections from now on. */
  setTls(tls: CertificateChain): void;
  /** Stops accepting and ends connections that are not DERP. */
  stop(): Promise<void>;
}

const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
} as const;
const TLS_LIMITS = {
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
  handshakeTimeout: 10_000,
} as const;
const MAX_REQUESTS_PER_SOCKET = 100;

/** Listens. Throws MallaError `listen.failed` with one sentence that says why. */
export async function listenRelay(options: ListenerOptions): Promise<Listener> {
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    answer(options, request, response).catch((error: unknown) => {
      options.log.error({ err: error }, 'request failed');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
  const server =
    options.tls === undefined
      ? http.createServer(LIMITS, onRequest)
      : https.createServer({ ...LIMITS, ...TLS_LIMITS, ...options.tls }, onRequest);
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  server.maxConnections = options.maxConnections;
  server.prependListener('connection', (socket: Socket) => {
    if (options.accepts?.() === false) socket.destroy();
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (options.upgrade?.handle(request, socket, head) === true) return;
    refuse(socket, '404 Not Found');
  });
  server.on('clientError', (_error: Error, socket: Duplex) => refuse(socket, '400 Bad Request'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, options)));
    server.listen(
      { port: options.port, ...(options.host !== undefined && { host: options.host }) },
      () => {
        server.removeAllListeners('error');
        server.on('error', (error) => options.log.warn({ err: messageOf(error) }, 'not accepted'));
        resolve();
      },
    );
  });
  return {
    address: server.address() as AddressInfo,
    setTls(tls) {
      if (server instanceof https.Server) server.setSecureContext({ ...TLS_LIMITS, ...tls });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  { route }: ListenerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  incoming.resume(); // no path takes a body
  const url = URL.parse(incoming.url ?? '/', 'http://relay');
  if (url === null || url.host !== 'relay') return void outgoing.writeHead(400).end();
  const { method = 'GET', headers } = incoming;
  if (method === 'CONNECT' || method === 'TRACE') return void outgoing.writeHead(405).end();
  const challenge = headers['x-tailscale-challenge'];
  const request = new Request(url, {
    method,
    ...(typeof challenge === 'string' && { headers: { 'X-Tailscale-Challenge': challenge } }),
  });
  const response = (await route(request)) ?? new Response('not found\n', { status: 404 });
  const body = await response.bytes();
  if (response.status !== 204) response.headers.set('Content-Length', String(body.length));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(method === 'HEAD' ? undefined : body);
}

function refuse(socket: Duplex, status: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function listenError(
  error: NodeJS.ErrnoException,
  { host = 'all addresses', port }: Pick<ListenerOptions, 'host' | 'port'>,
): MallaError {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program uses it already',
    EACCES: 'this needs more rights (ports below 1024 usually do)',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new MallaError('listen.failed', `cannot listen on ${host} port ${port}: ${reason}`, {
    cause: error,
  });
}
