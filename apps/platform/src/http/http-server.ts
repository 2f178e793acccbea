/**
 * One listening HTTP/1.1 server, plain or TLS, with the bounds that facing the internet needs. Upgrade
 * requests for the paths we know keep their socket; any other is answered like a plain request. What is
 * no HTTP is answered by node:http: 400, 408 or 431, and the connection is gone.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { MallaError } from '@malla/base/error';
import { http, https } from './builtin.ts';

export interface HttpServerOptions {
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Absent: plain HTTP. */
  readonly tls?: SecureContextOptions | undefined;
  /** How long a connection may wait for its next request, ms; default longer than reverse proxies wait. */
  readonly keepAliveMs?: number;
  /** Connections at once; others are closed. Default: no limit. */
  readonly maxConnections?: number;
  /** Whether to take a connection at all; others are closed before they cost anything. Default: yes. */
  readonly accepts?: () => boolean;
  readonly onRequest: RequestListener;
  /** Whether an upgrade request is for {@link onUpgrade}. */
  readonly takesUpgrade: (request: IncomingMessage) => boolean;
  /** A connection could not be accepted. */
  readonly onError: (error: Error) => void;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** A server that listens. */
export interface HttpServer {
  readonly address: AddressInfo;
  /** Uses another certificate for connections from now on. */
  setTls(tls: SecureContextOptions): void;
  /** Stops accepting, ends idle connections, and after `graceMs`, default 0, all others, upgraded ones too. */
  stop(graceMs?: number): Promise<void>;
}

const LIMITS = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
} as const;
const TLS_LIMITS = {
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
  handshakeTimeout: 10_000,
} as const;
const KEEP_ALIVE_MS = 65_000;
const MAX_REQUESTS_PER_SOCKET = 1_000;

/** Listens. Throws MallaError `listen.failed` with one sentence that says why. */
export async function listenHttp(options: HttpServerOptions): Promise<HttpServer> {
  const settings = {
    ...LIMITS,
    keepAliveTimeout: options.keepAliveMs ?? KEEP_ALIVE_MS,
    shouldUpgradeCallback: options.takesUpgrade,
  };
  const server =
    options.tls === undefined
      ? http.createServer(settings, options.onRequest)
      : https.createServer({ ...settings, ...options.tls, ...TLS_LIMITS }, options.onRequest);
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  const sockets = new Set<Socket>();
  // One function for all: there are many sockets.
  const forget = function (this: Socket): void {
    sockets.delete(this);
  };
  server.prependListener('connection', (socket: Socket) => {
    if (options.accepts?.() === false) return void socket.destroy();
    sockets.add(socket);
    socket.on('close', forget);
  });
  server.on('upgrade', options.onUpgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    server.listen(
      { port: options.port, ...(options.host === undefined ? {} : { host: options.host }) },
      () => {
        server.removeAllListeners('error');
        // Such as too many open files: connections are lost, the listener stays.
        server.on('error', options.onError);
        resolve();
      },
    );
  });
  return {
    address: server.address() as AddressInfo,
    setTls: (tls) => {
      if (server instanceof https.Server) server.setSecureContext({ ...tls, ...TLS_LIMITS });
    },
    stop: (graceMs = 0) =>
      new Promise((resolve) => {
        const force = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, graceMs);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** The path of a request, without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

/** One sentence for a failed listen. */
function listenError(
  error: NodeJS.ErrnoException,
  at: { readonly host: string | undefined; readonly port: number },
): MallaError {
  const where = `${at.host ?? 'all addresses'} port ${at.port}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program uses it already',
    EACCES: 'this needs more rights (ports below 1024 usually do)',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new MallaError('listen.failed', `cannot listen on ${where}: ${reason}`, { cause: error });
}
