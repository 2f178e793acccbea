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
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { Aead } from '@malla/noise/crypto';
import { encodeError } from '@malla/noise/frame';
import { answer } from '@malla/noise/handshake';
import type { Lease } from '@malla/platform/budget/budget';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { systemClock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import { finish, refuse } from '@malla/platform/http/refuse';
import { webSockets } from '@malla/platform/http/web-sockets';
import { sendBytes } from '@malla/platform/link/websocket-link';
import { encodeEarlyPayload } from '@malla/wire/ts2021/early-payload';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import type { Budgets } from '../budgets.ts';
import { ConnectionBudget } from './connection-budget.ts';
import { type HandshakeBudgets, type Met, meet } from './handshake-budget.ts';
import { type Activity, IdleConnections } from './idle-connections.ts';
import type { InnerHttp, MachineConnection, ServeInnerHttp, Machines } from './inner-http.ts';
import { MIN_CAP_VERSION, unsupported } from '../core/cap-version.ts';
import { Pace } from './pace.ts';

const UPGRADE = 'tailscale-control-protocol';
const HANDSHAKE_HEADER = 'x-tailscale-handshake';
const QUERY_FIELD = 'X-Tailscale-Handshake';
/** The initiation frame has 101 bytes, 136 characters of base64. */
const MAX_HANDSHAKE_CHARS = 256;
/** How long a connection may go without its first whole request, ms. Anyone can make a handshake. */
const FIRST_REQUEST_MS = 30_000;
/**
 * How long one may go between two, ms. Longer than two minutes: a client that has to dial again within
 * two minutes of its last dial tries TLS only (docs/protocol/ts2021.md §7).
 */
const IDLE_MS = 150_000;
/** Of a WebSocket. Clients send a record in each, of 4 KiB at most. */
const MAX_MESSAGE_BYTES = 64 << 10;
/** A frame of a client has at least a header and a mask around what it carries (RFC 6455 §5.2). */
const FRAME_BYTES = 6;
const NOTHING = new Uint8Array();

export interface NoiseAcceptOptions {
  readonly machines: Machines;
  readonly staticKey: X25519Private;
  readonly random: RandomBytes;
  readonly serveInner: ServeInnerHttp;
  /** For records; handshakes are few. */
  readonly aead: Aead;
  readonly budgets: HandshakeBudgets & Pick<Budgets, 'bodies' | 'strangerBytes'>;
  readonly log: Logger;
}

/** Whose connection it is. */
interface From {
  readonly remoteAddress: string;
  readonly lease: Lease | undefined;
}

interface OpenConnection {
  readonly http: InnerHttp;
  readonly budget: ConnectionBudget;
  /** Whether a whole request has come. */
  readonly isUsed: () => boolean;
}

export class NoiseAcceptor {
  readonly #options: NoiseAcceptOptions;
  readonly #open = new Set<OpenConnection>();
  readonly #idle: Driver<OpenConnection, IdleConnections<OpenConnection>>;
  readonly #pace: Pace;
  #closed = false;
  /** No client from 1.80 to 1.102 uses the challenge, so one for all connections will do. */
  readonly #earlyPayload: Uint8Array;
  #webSockets: WebSocketServer | undefined;

  constructor(options: NoiseAcceptOptions) {
    this.#options = options;
    const challenge = importPrivate(options.random(32)).publicBytes;
    this.#earlyPayload = encodeEarlyPayload({ nodeKeyChallenge: formatKey('chalpub', challenge) });
    this.#pace = new Pace({
      budget: options.budgets.strangerBytes,
      now: systemClock.now,
      after: systemClock.after,
    });
    this.#idle = new Driver(new IdleConnections(activityOf), systemClock, ({ http }) =>
      http.close(),
    );
  }

  get connectionCount(): number {
    return this.#open.size;
  }

  /** Takes over the socket of an upgrade request to `/ts2021`. `lease`: the connection's, of all there are. */
  accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    remoteAddress: string,
    lease?: Lease,
  ): void {
    socket.on('error', () => socket.destroy());
    if (this.#closed) return refuse(socket, 503, 'the server stops');
    const asked = handshakeOf(request);
    if (!asked.ok) return refuse(socket, 400, asked.error);
    const { initiation, isWebSocket } = asked.value;
    const { staticKey, machines, budgets } = this.#options;
    const who = meet(staticKey, initiation, {
      budgets,
      remoteAddress,
      now: performance.now(),
      isNode: machines.ownsNode,
    });
    if (!who.ok && who.error === 'too-many') return refuse(socket, 503, 'too many handshakes');
    const from: From = { remoteAddress, lease };
    if (isWebSocket) return this.#acceptWebSocket(request, socket, head, who, from);
    // The switch, the handshake and the first HTTP/2 frames leave as one packet.
    socket.cork();
    process.nextTick(() => socket.uncork());
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${UPGRADE}\r\nConnection: upgrade\r\n\r\n`,
    );
    this.#shake(socket, head, who, from, true);
  }

  /** Ends connections on which nothing has gone on for too long; `now` is monotonic ms. */
  closeIdle(now: number): void {
    this.#idle.input((engine) => engine.handleTimeout(now));
  }

  /** Ends every connection, and takes no more. */
  close(): void {
    this.#idle.stop();
    this.#closed = true;
    for (const { http } of this.#open) http.close();
  }

  #acceptWebSocket(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    who: Met,
    from: From,
  ): void {
    this.#webSockets ??= newWebSocketServer();
    this.#webSockets.handleUpgrade(request, socket, Buffer.from(head), (webSocket) => {
      const stream = webSockets().createWebSocketStream(webSocket);
      stream._write = (chunk: Uint8Array, _encoding, done) => sendBytes(webSocket, chunk, done);
      // Pings faster than their answers are read are not answered (RFC 6455 §5.5.3): nothing piles up.
      webSocket.on('ping', (data) => {
        if (webSocket.bufferedAmount === 0) webSocket.pong(data);
      });
      stream.on('error', () => stream.destroy());
      const budget = this.#shake(stream, new Uint8Array(), who, from, false);
      if (budget === undefined) return;
      onUnfinished(webSocket, socket, (bytes) => {
        if (!budget.carry(bytes)) webSocket.terminate();
      });
    });
    socket.resume();
  }

  #shake(
    socket: Duplex,
    head: Uint8Array,
    who: Met,
    { remoteAddress, lease }: From,
    withEarlyPayload: boolean,
  ): ConnectionBudget | undefined {
    const { random, machines, aead, log } = this.#options;
    const shaken = who.ok ? answer(who.value, importPrivate(random(32))) : who;
    if (!shaken.ok) {
      log.debug({ remoteAddress, fault: shaken.error }, 'noise handshake refused');
      finish(socket, encodeError('the handshake does not fit this server: has its key changed?'));
      return undefined;
    }
    const { machineKey, protocolVersion, response, keys } = shaken.value;
    if (protocolVersion < MIN_CAP_VERSION) {
      finish(socket, encodeError(unsupported(protocolVersion)));
      return undefined;
    }
    socket.write(response);
    const connection: MachineConnection = { machineKey, protocolVersion, remoteAddress };
    const { handshakes } = this.#options.budgets;
    let owes = who.ok && who.value.paidByStrangers;
    let used = false;
    const budget = this.#budgetOf(connection, () => http.close());
    /** Looks whose connection it is now. */
    const settle = (): void => {
      budget.look();
      if (!budget.isNode) return;
      lease?.promote(machineKey);
      // So many newcomers may join from one address as have a key to join with.
      if (owes) handshakes.giveBack(remoteAddress, performance.now());
      owes = false;
    };
    const http: InnerHttp = this.#options.serveInner({
      budget,
      socket,
      keys,
      aead,
      head,
      earlyPayload: withEarlyPayload ? this.#earlyPayload : NOTHING,
      onExchange: (exchange) => {
        used = true;
        // A record of its has opened, so it is there.
        settle();
        budget.request();
        // What it asked may have made it a node's.
        void machines.serve({ connection, http: () => http }, exchange).then(settle);
      },
      onClosed: () => {
        this.#open.delete(open);
        this.#idle.input((engine) => engine.handleClosed(open));
      },
    });
    const open = { http, budget, isUsed: () => used };
    this.#open.add(open);
    this.#idle.input((engine, now) => engine.handleOpened(open, now));
    return budget;
  }

  #budgetOf(
    { machineKey, remoteAddress }: MachineConnection,
    onEvicted: () => void,
  ): ConnectionBudget {
    const { machines, budgets } = this.#options;
    return new ConnectionBudget({
      machineKey,
      remoteAddress,
      bodies: budgets.bodies,
      pace: this.#pace,
      isNode: () => machines.ownsNode(machineKey),
      isAwaited: (id) => machines.isAwaited(machineKey, id),
      onEvicted,
    });
  }
}

function activityOf({ http, budget, isUsed }: OpenConnection): Activity {
  return {
    idleSince: http.idleSince(),
    maxIdleMs: isUsed() ? IDLE_MS : FIRST_REQUEST_MS,
    unfinishedSince: http.unfinishedSince(),
    maxUnfinishedMs: budget.maxUnfinishedMs,
  };
}

function newWebSocketServer(): WebSocketServer {
  return new (webSockets().WebSocketServer)({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    autoPong: false,
    handleProtocols: (offered) => (offered.has(UPGRADE) ? UPGRADE : false),
  });
}

/** Tells how much of a message has come whose end has not: it is kept until then. */
function onUnfinished(webSocket: WebSocket, socket: Duplex, tell: (bytes: number) => void): void {
  let unfinished = 0;
  const finished = (data: RawData): void => {
    unfinished -= FRAME_BYTES + (data as Buffer).length;
  };
  webSocket.on('message', finished);
  webSocket.on('ping', finished);
  webSocket.on('pong', finished);
  // After the library's own, which gives what is whole.
  socket.on('data', (chunk: Uint8Array) => {
    unfinished = Math.max(0, Math.min(unfinished + chunk.length, MAX_MESSAGE_BYTES));
    tell(unfinished);
  });
}

interface Asked {
  readonly initiation: Uint8Array;
  readonly isWebSocket: boolean;
}

/** What an upgrade request asks for, or what is wrong with it; looked at before it costs anything. */
function handshakeOf(request: IncomingMessage): Result<Asked, string> {
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  const isWebSocket = upgrade === 'websocket' && request.method === 'GET';
  if (!isWebSocket && (upgrade !== UPGRADE || request.method !== 'POST')) {
    return fail(`expected Upgrade: ${UPGRADE}`);
  }
  const name = isWebSocket ? QUERY_FIELD : HANDSHAKE_HEADER;
  const text = isWebSocket
    ? URL.parse(request.url ?? '/', 'http://unused')?.searchParams.get(QUERY_FIELD)
    : request.headers[HANDSHAKE_HEADER];
  if (typeof text !== 'string' || text.length > MAX_HANDSHAKE_CHARS) {
    return fail(`missing or bad ${name}`);
  }
  const initiation = Buffer.from(text, 'base64');
  if (initiation.length === 0) return fail(`missing or bad ${name}`);
  return ok({ initiation, isWebSocket });
}
