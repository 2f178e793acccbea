/**
 * HTTP inside Noise on our own engine (@malla/http2): no stream wrappers, one copy from a message to
 * the bytes that are sealed, and a few KiB for a connection that idles under its map stream.
 */
import { MAX_BODY_BYTES } from './connection-budget.ts';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { utf8 } from '@malla/base/bytes';
import { Http2Connection } from '@malla/http2/connection';
import type { RequestHead } from '@malla/http2/request';
import type { Http2Handler, Http2Request } from '@malla/http2/handler';
import { DEFAULT_LIMITS, type Http2Limits } from '@malla/http2/limits';
import { RecordOpener, RecordSealer, sealedBytes } from '@malla/noise/record';
import {
  type AnswerStream,
  type Exchange,
  type InnerHttp,
  type InnerHttpOptions,
} from './inner-http.ts';
import { PacedInput } from './paced-input.ts';

const LIMITS: Http2Limits = {
  ...DEFAULT_LIMITS,
  bodyBytes: MAX_BODY_BYTES,
  // One of the largest, and the small ones that come meanwhile.
  gatheredBytes: MAX_BODY_BYTES + (128 << 10),
  // What waits for a slow client is merged by the fan-out as long as it is not handed over.
  streamOutputBytes: 32 << 10,
  // A whole map is one write, which may be larger.
  outputBytes: 1 << 20,
};

const NOTHING = new Uint8Array();

/** Where HTTP/2 output is put together before it is sealed; one for all, used within a call. */
const scratch = new Uint8Array(64 << 10);
/** Where much of it is sealed. */
let sealed = new Uint8Array(sealedBytes(scratch.length));
/** Less gets memory of its own, of the length that it needs. */
const MUCH_BYTES = 4 << 10;

/** Serves a connection by our own engine. */
export function serveByOwn(options: InnerHttpOptions): InnerHttp {
  return new OwnInnerHttp(options);
}

class OwnInnerHttp implements InnerHttp, Http2Handler {
  readonly #options: InnerHttpOptions;
  readonly #socket: Duplex;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #connection: Http2Connection;
  readonly #input: PacedInput;
  /** Few: a map stream, and what is asked meanwhile. */
  readonly #exchanges = new Map<number, OwnExchange>();
  #emptySince = performance.now();
  #blocked = false;
  #pong: ((alive: boolean) => void) | undefined;

  constructor(options: InnerHttpOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#sealer = new RecordSealer(options.keys.serverToClient, options.aead);
    this.#opener = new RecordOpener(options.keys.clientToServer, options.aead);
    this.#connection = new Http2Connection(this, LIMITS);
    if (options.earlyPayload.length > 0)
      this.#socket.write(this.#sealer.seal(options.earlyPayload));
    this.onOutput();
    this.#input = new PacedInput(this.#socket, options.budget, (chunk) => this.#received(chunk));
    this.#socket.on('data', (chunk: Uint8Array) => {
      this.#input.receive(chunk);
      if (this.#input.lateBytes > 0) this.#hold();
    });
    this.#socket.on('drain', () => {
      this.#blocked = false;
      this.onOutput();
      this.#hold();
    });
    this.#socket.on('close', () => this.#gone());
    this.#socket.on('end', () => this.#socket.end());
    this.#socket.resume();
    if (options.head.length > 0) this.#input.receive(options.head);
  }

  idleSince(): number | undefined {
    return this.#exchanges.size === 0 ? this.#emptySince : undefined;
  }

  unfinishedSince(): number | undefined {
    return this.#connection.waitingSince;
  }

  ping(): Promise<boolean> {
    if (this.#connection.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#pong?.(true);
      this.#pong = resolve;
      this.#connection.ping();
    });
  }

  close(): void {
    this.#connection.goAway();
    this.#socket.destroy();
  }

  bodyLimit({ path }: RequestHead): number {
    return this.#options.budget.bodyLimit(path.split('?', 1)[0] ?? '');
  }

  onRequest(id: number, request: Http2Request): void {
    const exchange = new OwnExchange(this.#connection, id, request);
    this.#exchanges.set(id, exchange);
    this.#options.onExchange(exchange);
  }

  onWritable(id: number): void {
    this.#exchanges.get(id)?.answer?.onWritable?.();
  }

  onStreamClosed(id: number): void {
    const exchange = this.#exchanges.get(id);
    this.#exchanges.delete(id);
    if (this.#exchanges.size === 0) this.#emptySince = performance.now();
    exchange?.closed();
  }

  onPong(): void {
    this.#pong?.(true);
    this.#pong = undefined;
  }

  onOutput(): void {
    while (!this.#blocked) {
      const bytes = this.#connection.takeOutput(scratch);
      if (bytes === 0) return;
      this.#blocked = !this.#send(scratch.subarray(0, bytes));
    }
  }

  #send(output: Uint8Array): boolean {
    if (output.length < MUCH_BYTES) return this.#socket.write(this.#sealer.seal(output));
    const bytes = this.#sealer.sealInto(sealed, output);
    const goesOn = this.#socket.write(sealed.subarray(0, bytes));
    // What the socket has not passed on, it still reads: leave it that memory.
    if (this.#socket.writableLength > 0) sealed = new Uint8Array(sealed.length);
    return goesOn;
  }

  onClosed(): void {
    this.onOutput();
    this.#socket.end();
  }

  #received(chunk: Uint8Array): void {
    const opened = this.#opener.open(chunk);
    if (!opened.ok) {
      this.#socket.destroy();
      return;
    }
    this.#options.budget.records(opened.value.length);
    const now = performance.now();
    for (const piece of opened.value) this.#connection.receive(piece, now);
    this.#hold();
  }

  /** Says how much we hold for this connection; for a stranger also what it does not take of our answers. */
  #hold(): void {
    const { budget } = this.#options;
    if (this.#connection.closed) return;
    let held = this.#connection.heldBytes + this.#opener.heldBytes + this.#input.lateBytes;
    if (!budget.isNode) held += this.#connection.tableBytes + this.#socket.writableLength;
    if (!budget.hold(held)) this.close();
  }

  #gone(): void {
    this.#connection.transportClosed();
    this.#pong?.(false);
    this.#pong = undefined;
    this.#options.budget.end();
    this.#options.onClosed();
  }
}

class OwnExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  aborted = false;
  onAborted: (() => void) | undefined;
  answer: OwnAnswer | undefined;
  readonly #connection: Http2Connection;
  readonly #id: number;
  #body: Uint8Array;
  #answered = false;

  constructor(connection: Http2Connection, id: number, request: Http2Request) {
    this.#connection = connection;
    this.#id = id;
    this.method = request.method;
    this.path = request.path;
    this.#body = request.body;
  }

  takeBody(): Uint8Array {
    const body = this.#body;
    this.#body = NOTHING;
    return body;
  }

  respond(status: number, contentType: string, body: Uint8Array | string): void {
    if (this.#answered) return;
    this.#answered = true;
    const bytes = typeof body === 'string' ? utf8(body) : body;
    this.#connection.respond(this.#id, status, [['content-type', contentType]], bytes);
  }

  stream(contentType: string): AnswerStream {
    this.#answered = true;
    this.#connection.respond(this.#id, 200, [['content-type', contentType]]);
    this.answer = new OwnAnswer(this.#connection, this.#id);
    return this.answer;
  }

  closed(): void {
    this.aborted = true;
    if (this.answer !== undefined) this.answer.closed();
    else if (!this.#answered) {
      this.#answered = true;
      this.onAborted?.();
    }
  }
}

class OwnAnswer implements AnswerStream {
  onWritable: (() => void) | undefined;
  onClosed: (() => void) | undefined;
  readonly #connection: Http2Connection;
  readonly #id: number;
  #over = false;

  constructor(connection: Http2Connection, id: number) {
    this.#connection = connection;
    this.#id = id;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    return this.#over || this.#connection.write(this.#id, ...pieces);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.end(this.#id);
  }

  closed(): void {
    this.#over = true;
    this.onClosed?.();
    this.onClosed = undefined;
  }
}
