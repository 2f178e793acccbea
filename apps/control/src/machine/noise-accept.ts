/**
 * `/ts2021`: a machine proves its key in a Noise handshake that begins in a header of the upgrade
 * request, and goes on with HTTP inside the channel. Native clients POST with their own upgrade token;
 * browsers open a WebSocket and put the handshake into the query.
 *
 * Source: docs/protocol/ts2021.md. Observed: clients 1.80 to 1.102.
 */
import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { formatKey } from '@malla/keys/key';
import { importPrivate, type X25519Private } from '@malla/keys/x25519';
import type { Aead } from '@malla/noise/aead';
import { encodeError } from '@malla/noise/frame';
import { respond } from '@malla/noise/handshake';
import { finish, refuse } from '@malla/platform/http/refuse';
import { webSockets } from '@malla/platform/http/web-sockets';
import { sendBytes } from '@malla/platform/link/websocket-link';
import { encodeEarlyPayload } from '@malla/wire/ts2021/early-payload';
import type { WebSocketServer } from 'ws';
import type { MachineDeps } from './deps.ts';
import { serveMachine } from './endpoints.ts';
import { HandshakeBudget } from './handshake-budget.ts';
import type { InnerHttp, MachineConnection, ServeInnerHttp } from './inner-http.ts';
import { MIN_CAP_VERSION, unsupported } from './map.ts';

const UPGRADE = 'tailscale-control-protocol';
const HANDSHAKE_HEADER = 'x-tailscale-handshake';
/** The initiation frame has 101 bytes, 136 characters of base64. */
const MAX_HANDSHAKE_CHARS = 256;
/** How long a connection may go without its first whole request, ms. Anyone can make a handshake. */
const FIRST_REQUEST_MS = 30_000;
/**
 * How long one may go between two, ms. Longer than two minutes: a client that has to dial again within
 * two minutes of its last dial tries TLS only (docs/protocol/ts2021.md §7).
 */
const IDLE_MS = 150_000;
const LOOK_EVERY_MS = 5_000;
const NOTHING = new Uint8Array();

export interface NoiseAcceptOptions {
  readonly deps: MachineDeps;
  readonly staticKey: X25519Private;
  readonly random: RandomBytes;
  readonly serveInner: ServeInnerHttp;
  /** For records; handshakes are few. */
  readonly aead: Aead;
  /** Connections at once; more are refused with 503. */
  readonly maxConnections: number;
  readonly log: Logger;
}

interface OpenConnection {
  readonly http: InnerHttp;
  /** Whether a whole request has come. */
  readonly isUsed: () => boolean;
}

export class NoiseAcceptor {
  readonly #options: NoiseAcceptOptions;
  readonly #open = new Set<OpenConnection>();
  readonly #budget = new HandshakeBudget(performance.now());
  readonly #looking: NodeJS.Timeout;
  #closed = false;
  /** No client from 1.80 to 1.102 uses the challenge, so one for all connections will do. */
  readonly #earlyPayload: Uint8Array;
  #webSockets: WebSocketServer | undefined;

  constructor(options: NoiseAcceptOptions) {
    this.#options = options;
    const challenge = importPrivate(options.random(32)).publicBytes;
    this.#earlyPayload = encodeEarlyPayload({ nodeKeyChallenge: formatKey('chalpub', challenge) });
    this.#looking = setInterval(() => this.closeIdle(performance.now()), LOOK_EVERY_MS);
    this.#looking.unref();
  }

  get connectionCount(): number {
    return this.#open.size;
  }

  /** Takes over the socket of an upgrade request to `/ts2021`. */
  accept(request: IncomingMessage, socket: Duplex, head: Uint8Array, remoteAddress: string): void {
    socket.on('error', () => socket.destroy());
    if (this.#closed) return refuse(socket, 503, 'the server stops');
    if (this.#open.size >= this.#options.maxConnections)
      return refuse(socket, 503, 'too many connections');
    if (!this.#budget.take(performance.now())) return refuse(socket, 503, 'too many handshakes');
    const upgrade = (request.headers.upgrade ?? '').toLowerCase();
    if (upgrade === 'websocket' && request.method === 'GET') {
      return this.#acceptWebSocket(request, socket, head, remoteAddress);
    }
    if (upgrade !== UPGRADE || request.method !== 'POST') {
      return refuse(socket, 400, `expected Upgrade: ${UPGRADE}`);
    }
    const initiation = decodeHandshake(request.headers[HANDSHAKE_HEADER]);
    if (initiation === undefined) return refuse(socket, 400, `missing or bad ${HANDSHAKE_HEADER}`);
    // The switch, the handshake and the first HTTP/2 frames leave as one packet.
    socket.cork();
    process.nextTick(() => socket.uncork());
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${UPGRADE}\r\nConnection: upgrade\r\n\r\n`,
    );
    this.#shake(socket, head, initiation, remoteAddress, true);
  }

  /** Ends connections on which nothing has gone on for too long; `now` is monotonic ms. */
  closeIdle(now: number): void {
    for (const { http, isUsed } of this.#open) {
      const idleMs = now - (http.idleSince() ?? now);
      if (idleMs >= (isUsed() ? IDLE_MS : FIRST_REQUEST_MS)) http.close();
    }
  }

  /** Ends every connection, and takes no more. */
  close(): void {
    clearInterval(this.#looking);
    this.#closed = true;
    for (const { http } of this.#open) http.close();
  }

  #acceptWebSocket(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    remoteAddress: string,
  ): void {
    const url = URL.parse(request.url ?? '/', 'http://unused');
    const initiation = decodeHandshake(url?.searchParams.get('X-Tailscale-Handshake') ?? undefined);
    if (initiation === undefined)
      return refuse(socket, 400, 'missing or bad X-Tailscale-Handshake');
    this.#webSockets ??= newWebSocketServer();
    this.#webSockets.handleUpgrade(request, socket, Buffer.from(head), (webSocket) => {
      const stream = webSockets().createWebSocketStream(webSocket);
      stream._write = (chunk: Uint8Array, _encoding, done) => sendBytes(webSocket, chunk, done);
      // Pings faster than their answers are read are not answered (RFC 6455 §5.5.3): nothing piles up.
      webSocket.on('ping', (data) => {
        if (webSocket.bufferedAmount === 0) webSocket.pong(data);
      });
      stream.on('error', () => stream.destroy());
      this.#shake(stream, new Uint8Array(), initiation, remoteAddress, false);
    });
  }

  #shake(
    socket: Duplex,
    head: Uint8Array,
    initiation: Uint8Array,
    remoteAddress: string,
    withEarlyPayload: boolean,
  ): void {
    const { staticKey, random, deps, aead, log } = this.#options;
    const shaken = respond(staticKey, importPrivate(random(32)), initiation);
    if (!shaken.ok) {
      log.debug({ remoteAddress, fault: shaken.error }, 'noise handshake refused');
      finish(socket, encodeError('the handshake does not fit this server: has its key changed?'));
      return;
    }
    const { machineKey, protocolVersion, response, keys } = shaken.value;
    if (protocolVersion < MIN_CAP_VERSION) {
      finish(socket, encodeError(unsupported(protocolVersion)));
      return;
    }
    socket.write(response);
    const connection: MachineConnection = { machineKey, protocolVersion, remoteAddress };
    let used = false;
    const http: InnerHttp = this.#options.serveInner({
      socket,
      keys,
      aead,
      head,
      earlyPayload: withEarlyPayload ? this.#earlyPayload : NOTHING,
      onExchange: (exchange) => {
        used = true;
        void serveMachine(deps, { connection, http: () => http }, exchange);
      },
      onClosed: () => this.#open.delete(open),
    });
    const open = { http, isUsed: () => used };
    this.#open.add(open);
  }
}

function newWebSocketServer(): WebSocketServer {
  return new (webSockets().WebSocketServer)({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 1 << 20,
    autoPong: false,
    handleProtocols: (offered) => (offered.has(UPGRADE) ? UPGRADE : false),
  });
}

function decodeHandshake(header: string | string[] | undefined): Uint8Array | undefined {
  if (typeof header !== 'string' || header.length > MAX_HANDSHAKE_CHARS) return undefined;
  const bytes = Buffer.from(header, 'base64');
  return bytes.length === 0 ? undefined : bytes;
}
