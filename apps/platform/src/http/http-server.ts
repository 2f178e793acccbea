/**
 * One listening HTTP/1.1 server, plain or TLS, with the bounds that facing the internet needs. From its
 * first packet a connection counts as its address's (budget/); it is read one request at a time
 * (request-gate.ts), in turns with those of other addresses (turns.ts). Upgrade requests for the paths we
 * know keep their socket; any other is answered like a plain request.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Budget, Lease } from '../budget/budget.ts';
import { shareHolder } from '../budget/share-holder.ts';
import { http } from './builtin.ts';
import { MAX_HEAD_BYTES, openPlain, openTls } from './door.ts';
import { listenAt } from './listen.ts';
import type { RefusalStatus } from './refuse.ts';
import { type GateOptions, HEAD_MS, RequestGate } from './request-gate.ts';
import { originForm } from './request-target.ts';
import { Turns } from './turns.ts';
import { headFault } from './well-formed.ts';

/** What is asked of a connection that is to be something else than HTTP. */
export interface UpgradeHandler {
  /** Whether an upgrade request is for {@link onUpgrade}. */
  readonly takesUpgrade: (request: IncomingMessage) => boolean;
  /**
   * Takes over the socket; `head` came behind the request. `lease` is the connection's, which ends by
   * itself; undefined where nobody counts them.
   */
  readonly onUpgrade: (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    lease: Lease | undefined,
  ) => void;
}

export interface HttpOptions extends UpgradeHandler {
  /** Absent: plain HTTP. */
  readonly tls?: SecureContextOptions | undefined;
  /** How long a connection may wait for its next request, ms; default longer than reverse proxies wait. */
  readonly keepAliveMs?: number;
  /** How many connections are accepted in one round of the event loop, where the system can; default 1. */
  readonly acceptors?: number;
  /** Connections at once at each acceptor; others are closed. Default: no limit. */
  readonly maxConnections?: number;
  /** Whether to take a connection at all; others are closed before they cost anything. Default: yes. */
  readonly accepts?: () => boolean;
  /** What connections, and bytes of requests, are taken from. Default: nobody counts. */
  readonly budgets?: { readonly connections: Budget; readonly bodies: Budget } | undefined;
  /** Whose request it is, behind proxies. Default: the other end of the socket. */
  readonly addressOf?: (request: IncomingMessage) => string;
  /** Whether an address is a proxy's of which {@link addressOf} believes whose requests it passes on. Default: none. */
  readonly isProxy?: ((address: string) => boolean) | undefined;
  readonly onRequest: RequestListener;
  /** A connection could not be accepted. */
  readonly onError: (error: Error) => void;
}

export interface HttpServerOptions extends HttpOptions {
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** A server that listens. */
export interface HttpServer {
  readonly address: AddressInfo;
  /** Uses another certificate for connections from now on. */
  setTls(tls: SecureContextOptions): void;
  /** Stops accepting, ends idle connections, and after `graceMs`, default 0, all others, upgraded ones too. */
  stop(graceMs?: number): Promise<void>;
}

/** A server without a place to listen at yet. */
export interface HttpService extends Omit<HttpServer, 'address'> {
  /** One for each acceptor. */
  readonly servers: readonly [Server, ...Server[]];
}

/** Where anybody may connect, hundreds may at once. */
export const PUBLIC_ACCEPTORS = 8;
const TLS_LIMITS = { minVersion: 'TLSv1.2' } as const;
const KEEP_ALIVE_MS = 65_000;
/** From being accepted to the first bytes, ms. */
const OPEN_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
/** What is read of a connection before somebody wants it. */
const READ_BYTES = 16 * 1024;

/** Listens. Throws MallaError `listen.failed` with one sentence that says why. */
export async function listenHttp(options: HttpServerOptions): Promise<HttpServer> {
  const service = httpService(options);
  const address = await listenAt(service.servers, options);
  // Such as too many open files: connections are lost, the listener stays.
  for (const server of service.servers) server.on('error', options.onError);
  return { ...service, address };
}

/** Makes a server that is yet to listen somewhere. */
export function httpService(options: HttpOptions): HttpService {
  const { budgets } = options;
  const turns = new Turns(setImmediate);
  const guests = new Set<Guest>();
  let context = options.tls && createSecureContext({ ...options.tls, ...TLS_LIMITS });
  let stopping = false;

  const parser = http.createServer({
    maxHeaderSize: MAX_HEAD_BYTES,
    keepAliveTimeout: options.keepAliveMs ?? KEEP_ALIVE_MS,
    // Ours: it answers without telling anybody.
    requireHostHeader: false,
    // An upgrade arrives as a request, whatever `Connection` says.
    shouldUpgradeCallback: () => false,
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const guest = guestOf(request.socket);
    const gate = guest && gateOf(guest);
    if (guest === undefined || gate?.begin(request, response) !== true) return;
    const fault = headFault(request);
    if (fault !== undefined) return gate.refuse(fault.status, fault.text);
    request.url = originForm(request.url ?? '/');
    guest.lease?.touch();
    const { addressOf } = options;
    const address = addressOf === undefined ? guest.address : shareHolder(addressOf(request));
    if (address === guest.address) return answer(guest, gate, request, response);
    // A proxy's, for somebody whose share this is, and who waits for turns of its own.
    if (guest.lease?.assign(address) === false) return gate.refuse(503, 'too many connections\n');
    const forget = turns.ask(address, () => {
      gate.off('close', forget);
      answer(guest, gate, request, response);
    });
    gate.once('close', forget);
  };
  const answer = (
    guest: Guest,
    gate: RequestGate,
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    if (gate.destroyed) return;
    if (request.headers.upgrade !== undefined && options.takesUpgrade(request)) {
      takeOver(guest, gate, request, options.onUpgrade);
    } else options.onRequest(request, response);
  };
  // A handler asks for the body, and with that for the client to go on; see fetch-adapter.ts.
  for (const event of ['request', 'checkContinue'] as const) parser.on(event, onRequest);
  parser.on('checkExpectation', (request, response) => {
    const guest = guestOf(request.socket);
    if (guest === undefined || gateOf(guest)?.begin(request, response) !== true) return;
    response.writeHead(417, { Connection: 'close' }).end();
  });
  parser.on('connect', (_request, gate) => {
    if (gate instanceof RequestGate) gate.refuse(400, 'this is no proxy\n');
  });
  parser.on('clientError', (error: NodeJS.ErrnoException, gate: Duplex) => {
    const status = PARSER_FAULTS[error.code ?? ''] ?? 400;
    if (gate instanceof RequestGate) gate.refuse(status);
  });

  const onConnection = (socket: Socket): void => {
    turns.arrived();
    const { remoteAddress = '' } = socket;
    const address = shareHolder(remoteAddress);
    const lease = budgets?.connections.take(remoteAddress, 1, () => socket.destroy());
    if (stopping || options.accepts?.() === false || (budgets !== undefined && lease === undefined))
      return void socket.destroy();
    const guest: Guest = {
      socket,
      address,
      lease,
      openUntil: performance.now() + OPEN_MS,
      bytes: undefined,
      gate: undefined,
    };
    const bytes = (): Lease | undefined =>
      (guest.bytes ??= budgets?.bodies.take(remoteAddress, 0, () =>
        (gateOf(guest) ?? socket).destroy(),
      ));
    const readsAtOnce = options.isProxy?.(remoteAddress) === true;
    guests.add(guest);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      guests.delete(guest);
      lease?.release();
      guest.bytes?.release();
    });
    const onOpen = (opened: Socket, first: Buffer): void => {
      const gate = new GuestGate(guest, {
        socket: opened,
        first,
        address,
        turns: readsAtOnce ? undefined : turns,
        bytes: bytes(),
        keepAliveMs: options.keepAliveMs ?? KEEP_ALIVE_MS,
        now: () => performance.now(),
      });
      guest.gate = gate;
      guest.openUntil = Infinity;
      if (stopping) gate.closeSoon();
      parser.emit('connection', gate);
    };
    const onBegun = (): void => {
      guest.openUntil = performance.now() + HEAD_MS;
    };
    const door = { socket, address, turns, readsAtOnce, bytes, onBegun, onOpen };
    const secure = context;
    if (secure === undefined) openPlain(door);
    else openTls(door, () => context ?? secure);
  };
  const acceptor = (): Server => {
    const server = createServer(
      { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, highWaterMark: READ_BYTES },
      onConnection,
    );
    if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
    return server;
  };
  const others = Array.from({ length: (options.acceptors ?? 1) - 1 }, acceptor);
  const servers: HttpService['servers'] = [acceptor(), ...others];

  const looking = setInterval(() => {
    const now = performance.now();
    for (const { socket, gate, openUntil } of guests) {
      if (now >= openUntil) socket.destroy();
      else if (gate !== 'left') gate?.expire(now);
    }
  }, LOOK_EVERY_MS);
  looking.unref();

  return {
    servers,
    setTls: (tls) => {
      context &&= createSecureContext({ ...tls, ...TLS_LIMITS });
    },
    stop: async (graceMs = 0) => {
      stopping = true;
      const force = setTimeout(() => {
        for (const { socket } of guests) socket.destroy();
      }, graceMs);
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const { socket, gate } of guests) {
        if (gate === undefined) socket.destroy();
        else if (gate !== 'left') gate.closeSoon();
      }
      await Promise.all(closed);
      clearTimeout(force);
      clearInterval(looking);
    },
  };
}

/** A connection, from being accepted to its end. */
interface Guest {
  readonly socket: Socket;
  /** The holder of its share as long as no proxy names another. */
  readonly address: string;
  readonly lease: Lease | undefined;
  /** Until when the first request may begin. */
  openUntil: number;
  /** What it has of the bytes of requests, once it needs any. */
  bytes: Lease | undefined;
  /**
   * What makes requests of it; `left` where somebody has taken the connection, which may stay for days:
   * the gate, its request and its answer are 8 KiB.
   */
  gate: RequestGate | 'left' | undefined;
}

/** Knows whose it is. A WeakMap from one to the other is work for the collector with each connection. */
class GuestGate extends RequestGate {
  readonly guest: Guest;

  constructor(guest: Guest, options: GateOptions) {
    super(options);
    this.guest = guest;
  }
}

function guestOf(socket: Duplex): Guest | undefined {
  return socket instanceof GuestGate ? socket.guest : undefined;
}

function gateOf({ gate }: Guest): RequestGate | undefined {
  return gate === 'left' ? undefined : gate;
}

/** What node:http finds wrong with bytes, beside those that are no HTTP at all. */
const PARSER_FAULTS: Readonly<Record<string, RefusalStatus>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** Hands over the connection of an upgrade request when its body, which must be empty, has come. */
function takeOver(
  guest: Guest,
  gate: RequestGate,
  request: IncomingMessage,
  onUpgrade: UpgradeHandler['onUpgrade'],
): void {
  request.on('data', () => gate.refuse(400, 'an upgrade request has no body\n'));
  request.on('end', () => {
    if (gate.destroyed) return;
    const { socket, head } = gate.takeOver();
    guest.gate = 'left';
    onUpgrade(request, socket, head, guest.lease);
  });
}

/** The path of a request, without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}
