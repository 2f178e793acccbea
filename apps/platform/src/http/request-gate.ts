/**
 * Stands between a connection and node:http, and lets one request through at a time: the next one
 * reaches the parser when the answer to the last is out, the other side has taken it, and a turn has come. What
 * came behind a request is kept here, at most what one read brought, and nothing more is read. So
 * requests in a row cost no more than one after the other, answers that nobody reads do not pile up, and
 * whoever takes over a connection gets every byte behind its request.
 *
 * node:http by itself runs all requests of a packet at once, and none of its limits helps: there may be
 * a thousand, and no other connection gets a turn between them.
 *
 * It has the deadlines too, since node:http sees only what is let through.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Lease } from '../budget/budget.ts';
import { BlankLine } from './blank-line.ts';
import { FREE_BYTES } from './door.ts';
import { finish, refuse, type RefusalStatus } from './refuse.ts';
import type { Turns } from './turns.ts';

export interface GateOptions {
  readonly socket: Socket;
  /** Bytes of it that were read before. */
  readonly first: Buffer;
  /** Under which its requests wait for their turns. */
  readonly address: string;
  /** Absent: it is a proxy's, whose requests are somebody's each, and wait for their turns when it is known whose. */
  readonly turns: Turns | undefined;
  /** A lease of its own, which grows by what is kept here; undefined: nobody counts. */
  readonly bytes: Lease | undefined;
  /** How long a connection may wait for its next request, ms. */
  readonly keepAliveMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** A connection that is no longer HTTP. Its socket is paused, and emits `data` after a resume. */
export interface TakenOver {
  readonly socket: Socket;
  /** What came behind the request. */
  readonly head: Buffer;
}

/** From the first byte of a head to its last, ms. */
export const HEAD_MS = 15_000;
/** From the first byte of a head to the last of its body, ms. */
export const REQUEST_MS = 30_000;
/** How long the other side may take nothing of an answer, ms. */
export const STALL_MS = 30_000;
/** Written at a time: TLS copies what it is given. */
const WRITE_BYTES = 16 << 10;
const MAX_REQUESTS = 1_000;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * `head`: nothing is being answered. `waiting`: a whole head waits for its turn. `given`: the parser has
 * it. `body`: the request is known, its body still comes. `answer`: it is whole. `over`: no further
 * request.
 */
type Phase = 'head' | 'waiting' | 'given' | 'body' | 'answer' | 'over';

export class RequestGate extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly encrypted: boolean;
  #socket: Socket | undefined;
  readonly #options: GateOptions;
  #phase: Phase = 'head';
  /** What came and is not let through yet; the socket is paused while there is any. */
  #kept = NOTHING;
  #keptFrom = 0;
  /** Bytes of the head that the parser has. */
  #headBytes = 0;
  #blankLine = new BlankLine(false);
  /** Where in #kept the head ends that waits for its turn. */
  #headEnd = 0;
  #forgetTurn: (() => void) | undefined;
  #request: IncomingMessage | undefined;
  #response: ServerResponse | undefined;
  /** Bytes of the body that are still to come; undefined: it comes in chunks. */
  #bodyLeft: number | undefined;
  #requests = 0;
  /** The other side sends no more. */
  #ended = false;
  #closesSoon = false;
  #headSince: number | undefined;
  #deadline: number;
  /** Until when the other side must take what is being written. */
  #stalledAt = Infinity;

  constructor(options: GateOptions) {
    super({ allowHalfOpen: true });
    const { socket, first } = options;
    this.#socket = socket;
    this.#options = options;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.encrypted = 'encrypted' in socket;
    this.#deadline = options.now() + HEAD_MS;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    // The parser wants more, and has taken what was let through.
    this.on('resume', () => process.nextTick(this.#advance));
    // The parser is not there yet.
    process.nextTick(this.#onData, first);
  }

  /** Tells of the request that the parser has read. False: it may not be answered. */
  begin(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#phase !== 'given') {
      // The parser has found a request where there was none for us: nothing that may be trusted.
      this.destroy();
      return false;
    }
    const { headers } = request;
    this.#request = request;
    this.#response = response;
    this.#headBytes = 0;
    this.#bodyLeft = undefined;
    if (headers['transfer-encoding'] === undefined) {
      this.#bodyLeft = Number(headers['content-length'] ?? 0);
    } else this.#blankLine = new BlankLine(true);
    this.#phase = this.#bodyLeft === 0 ? 'answer' : 'body';
    this.#deadline = this.#bodyLeft === 0 ? Infinity : this.#requestDeadline();
    // A body is read when somebody asks for it: until then it stays where it is.
    if (this.#phase === 'body') this.pause();
    if (++this.#requests >= MAX_REQUESTS || this.#closesSoon) response.shouldKeepAlive = false;
    response.on('close', () => this.#answered());
    return true;
  }

  /** Hands over the connection, of which the request must have been read to its end. */
  takeOver(): TakenOver {
    if (this.#phase !== 'answer') throw new Error('the request has not come to its end');
    const head = this.#kept.subarray(this.#keptFrom);
    const socket = this.#letGo();
    if (socket === undefined) throw new Error('the connection is over');
    return { socket, head };
  }

  /** Says no to what has come, unless an answer is on its way, and ends the connection. */
  refuse(status: RefusalStatus, text = ''): void {
    const isAnswered = this.#response?.headersSent === true;
    const socket = this.#letGo();
    if (socket === undefined) return;
    if (isAnswered) socket.destroy();
    else refuse(socket, status, text);
  }

  /** Ends the connection when nothing is being answered. */
  closeSoon(): void {
    this.#closesSoon = true;
    if (this.#response !== undefined) this.#response.shouldKeepAlive = false;
    if (this.#phase === 'head' && !this.#blankLine.begun) this.destroy();
  }

  /** Ends the connection if it has taken too long for what it is at. */
  expire(now: number): void {
    if (now < Math.min(this.#deadline, this.#stalledAt)) return;
    const isRequest =
      now < this.#stalledAt &&
      (this.#phase === 'body' || (this.#phase === 'head' && this.#blankLine.begun));
    if (isRequest) this.refuse(408);
    else this.destroy();
  }

  /** As node:http ends a socket: what was written is sent, and read by the other side if it wants to. */
  destroySoon(): void {
    const socket = this.#letGo();
    // A socket that is closed with unread bytes takes its last words back from the other side.
    if (socket !== undefined) finish(socket, '');
  }

  /** Times are kept here. */
  setTimeout(): this {
    return this;
  }

  /** What is let through is pushed when it comes. */
  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket?.end();
    done();
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#phase = 'over';
    this.#kept = NOTHING;
    this.#forgetTurn?.();
    this.#options.bytes?.release();
    this.#socket?.destroy();
    done(null);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#phase === 'over') return;
    const rest = this.#kept.subarray(this.#keptFrom);
    this.#kept = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#keptFrom = 0;
    this.#advance();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#advance();
  };

  readonly #onClose = (): void => void this.destroy();

  /** Leaves the socket to somebody else, paused, and is over. */
  #letGo(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined && !socket.destroyed) {
      socket.pause();
      socket.off('data', this.#onData);
      socket.off('end', this.#onEnd);
      socket.off('close', this.#onClose);
    }
    this.destroy();
    return socket;
  }

  /** Lets through what may be let through. */
  readonly #advance = (): void => {
    // What the parser has not taken yet may complete a request.
    while (this.#keptFrom < this.#kept.length && this.readableLength === 0) {
      if (this.#phase === 'head') this.#readHead();
      else if (this.#phase === 'body' && !this.isPaused()) this.#readBody();
      else break;
    }
    if (this.#phase === 'over') return;
    const keptBytes = this.#kept.length - this.#keptFrom;
    if (keptBytes === 0) {
      this.#kept = NOTHING;
      this.#keptFrom = 0;
      if (this.#ended) return this.#noMoreComes();
      this.#socket?.resume();
    } else this.#socket?.pause();
    this.#account(keptBytes + this.#headBytes - FREE_BYTES);
  };

  #readHead(): void {
    const bytes = this.#kept.subarray(this.#keptFrom);
    const end = this.#blankLine.find(bytes);
    if (this.#blankLine.begun && this.#headSince === undefined) {
      this.#headSince = this.#options.now();
      this.#deadline = this.#headSince + HEAD_MS;
    }
    if (end === undefined) {
      this.#headBytes += bytes.length;
      this.#letThrough(bytes.length);
      return;
    }
    this.#phase = 'waiting';
    this.#headEnd = end;
    this.#deadline = Infinity;
    const { turns, address } = this.#options;
    if (turns === undefined) return this.#giveHead();
    this.#forgetTurn = turns.ask(address, () => {
      this.#forgetTurn = undefined;
      this.#giveHead();
      this.#advance();
    });
  }

  #giveHead(): void {
    this.#phase = 'given';
    this.#deadline = this.#requestDeadline();
    this.#letThrough(this.#headEnd);
    // No end for the parser: it reads on.
    if (this.#isGiven() && this.readableLength === 0) this.#phase = 'head';
  }

  #isGiven(): boolean {
    return this.#phase === 'given';
  }

  #readBody(): void {
    const bytes = this.#kept.subarray(this.#keptFrom);
    if (this.#bodyLeft === undefined) {
      const end = this.#blankLine.find(bytes);
      if (end !== undefined) this.#blankLine = new BlankLine(true);
      this.#letThrough(end ?? bytes.length);
      // Only a parser knows whether these were the last chunk's.
      if (this.readableLength === 0 && this.#request?.complete === true) this.#bodyCame();
      return;
    }
    const taken = Math.min(this.#bodyLeft, bytes.length);
    this.#bodyLeft -= taken;
    this.#letThrough(taken);
    if (this.#bodyLeft === 0) this.#bodyCame();
  }

  #bodyCame(): void {
    if (this.#phase !== 'body') return;
    this.#phase = 'answer';
    this.#deadline = Infinity;
  }

  #letThrough(bytes: number): void {
    const from = this.#keptFrom;
    this.#keptFrom += bytes;
    this.push(this.#kept.subarray(from, from + bytes));
  }

  /** The answer has been taken by the other side, or there is nobody to take it. */
  #answered(): void {
    if (this.#phase === 'over') return;
    const isOut = this.#response?.writableFinished === true;
    const isLast = this.#response?.shouldKeepAlive === false;
    this.#request = this.#response = undefined;
    if (!isOut) return void this.destroy();
    if (this.#phase !== 'answer' || isLast) return this.destroySoon();
    this.#phase = 'head';
    this.#blankLine = new BlankLine(false);
    this.#headSince = undefined;
    this.#deadline = this.#options.now() + this.#options.keepAliveMs;
    this.#advance();
  }

  #noMoreComes(): void {
    if (this.#phase === 'head' || this.#phase === 'body') this.destroy();
    else if (this.#response !== undefined) this.#response.shouldKeepAlive = false;
  }

  #requestDeadline(): number {
    return (this.#headSince ?? this.#options.now()) + REQUEST_MS;
  }

  /** Pays for what is kept; who cannot must go. */
  #account(bytes: number): void {
    const lease = this.#options.bytes;
    if (lease === undefined) return;
    const more = Math.max(0, bytes) - lease.amount;
    if (more <= 0) lease.shrink(-more);
    else if (!lease.grow(more)) this.destroy();
  }

  #send(pieces: Uint8Array[], done: (error?: Error) => void): void {
    const socket = this.#socket;
    if (socket === undefined) return done();
    this.#stalledAt = this.#options.now() + STALL_MS;
    const sent = (error?: Error | null): void => {
      this.#stalledAt = Infinity;
      if (error !== undefined && error !== null) return done(error);
      if (pieces.length === 0) done();
      else this.#send(pieces, done);
    };
    socket.cork();
    let room = WRITE_BYTES;
    while (room > 0) {
      const [piece] = pieces;
      if (piece === undefined) break;
      const part = piece.length > room ? piece.subarray(0, room) : piece;
      if (part === piece) pieces.shift();
      else pieces[0] = piece.subarray(room);
      room -= part.length;
      if (room === 0 || pieces.length === 0) socket.write(part, sent);
      else socket.write(part);
    }
    socket.uncork();
  }
}
