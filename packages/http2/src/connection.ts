/**
 * An HTTP/2 server's end of one connection with prior knowledge (RFC 9113), without any I/O: received
 * bytes go in, requests come out, bytes to send are asked for. Made for very many connections that
 * mostly idle under one long response, and for hostile peers; see `limits.ts`.
 *
 * Deliberately not here: server push, priorities (obsolete, RFC 9113 §5.3), CONNECT (answered 501),
 * trailers on responses, and timeouts, which are the driver's: {@link Http2Connection.waitingSince}
 * says what it needs to know.
 *
 * No bytes make `receive` throw. A handler must not throw; if it does, the exception passes through.
 */
import { utf8 } from '@malla/base/bytes';
import { ErrorCode, SettingId, writeGoAway, writePing, writeSettings } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import type { Http2Handler } from './handler.ts';
import type { Field } from './hpack/field.ts';
import { Inbound } from './inbound.ts';
import { DEFAULT_LIMITS, type Http2Limits } from './limits.ts';
import { MIN_TAKE_BYTES } from './outbox.ts';
import { fieldFault } from './request.ts';
import { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** What our PINGs carry. There is at most one at a time, so it need not tell them apart. */
const PING_BYTES = new Uint8Array(8);

/** One connection. There is output from the beginning: take it after constructing. */
export class Http2Connection {
  readonly #session: Session;
  readonly #inbound: Inbound;
  readonly #reader = new FrameReader();
  #midwaySince: number | undefined;
  #someWriterWaits = false;
  /** Inside a call that will itself see to what its callbacks caused. */
  #busy = false;
  #signalled = true;

  /** Connections should share one object of limits. */
  constructor(handler: Http2Handler, limits: Http2Limits = DEFAULT_LIMITS) {
    this.#session = new Session(handler, limits);
    this.#inbound = new Inbound(this.#session);
    writeSettings(this.#session.outbox.control, [
      [SettingId.maxConcurrentStreams, limits.concurrentStreams],
      [SettingId.maxHeaderListSize, limits.headerListBytes],
    ]);
  }

  /** Whether the connection is over; then it takes no more input. */
  get closed(): boolean {
    return this.#session.closed;
  }

  /** How many requests are in progress, long responses included. */
  get openStreams(): number {
    return this.#session.streams.length;
  }

  /**
   * What the peer makes us hold for a while: of requests, header blocks and frames that are not complete,
   * and answers of the protocol that it does not take. Not the responses.
   */
  get heldBytes(): number {
    return this.#inbound.heldBytes + this.#reader.heldBytes + this.#session.outbox.control.length;
  }

  /** What it makes us remember for as long as the connection lives: header fields, 4 KiB at most. */
  get tableBytes(): number {
    return this.#inbound.tableBytes;
  }

  /**
   * Since when the oldest incomplete thing (request, header block, frame, preface) is waited for, in the
   * driver's time; undefined while nothing is. A driver should close connections that let it wait long.
   */
  get waitingSince(): number | undefined {
    if (this.closed) return undefined;
    const since = Math.min(this.#inbound.waitingSince, this.#midwaySince ?? Infinity);
    return since === Infinity ? undefined : since;
  }

  /** Takes received bytes in any chunking. They may be reused afterwards. `now` is monotonic, in ms. */
  receive(bytes: Uint8Array, now: number): void {
    const session = this.#session;
    if (session.closed) return;
    session.now = now;
    this.#busy = true;
    try {
      this.#reader.push(bytes);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        this.#midwaySince = undefined;
        if (frame === 'not-http2') session.fail(ErrorCode.protocolError, 'no client preface');
        else if (frame === 'frame-too-long') session.fail(ErrorCode.frameSizeError, frame);
        else this.#inbound.onFrame(frame);
        if (session.closed) break;
      }
      this.#midwaySince = this.#reader.midway ? (this.#midwaySince ?? now) : undefined;
    } finally {
      this.#busy = false;
    }
    this.#settle();
  }

  /**
   * Fills a buffer with bytes to send, from its beginning, and returns how many; 0 when there is nothing
   * or the peer's windows are shut. The buffer has at least {@link MIN_TAKE_BYTES}; it can be shared by
   * all connections.
   */
  takeOutput(into: Uint8Array): number {
    if (into.length < MIN_TAKE_BYTES) {
      throw new RangeError(`an output buffer of ${into.length} bytes, at least ${MIN_TAKE_BYTES}`);
    }
    const { outbox } = this.#session;
    const count = outbox.take(into);
    if (outbox.someEnded) this.#removeEnded();
    if (count === 0) this.#signalled = false;
    else this.#settle();
    return count;
  }

  /**
   * Begins the response. With a body it is complete, and gets a content-length; without one `write` and
   * `end` follow, except with status 204 or 304, which have none. The body of an answer to HEAD is
   * dropped. Names are lower-case. Does nothing on a stream that is over, and resets it when too much
   * output waits already, as in `write`.
   */
  respond(id: number, status: number, headers: readonly Field[], body?: Uint8Array): void {
    const session = this.#session;
    const stream = session.find(id);
    if (stream === undefined) return;
    if (stream.phase !== 'handler') throw new Error(`stream ${id} cannot begin a response`);
    for (const field of headers) {
      const fault = fieldFault(field);
      if (fault !== undefined) throw new RangeError(`header "${field[0]}": ${fault}`);
    }
    if (body !== undefined && this.#isOverfull(stream)) {
      return this.reset(id, ErrorCode.enhanceYourCalm);
    }
    const noContent = status === 204 || status === 304;
    const fields: Field[] = [[':status', String(status)], ...headers];
    if (body !== undefined && !noContent) fields.push(['content-length', String(body.length)]);
    const whole = noContent || (body !== undefined && (stream.headOnly || body.length === 0));
    session.writeHeaders(id, fields, whole);
    if (whole) {
      session.remove(stream, 'done');
    } else if (body === undefined) {
      stream.phase = 'response';
    } else {
      stream.phase = 'ending';
      this.#enqueue(stream, body);
    }
    this.#settle();
  }

  /**
   * Adds to a response's body. The bytes are not copied and must not change until the stream is closed;
   * one array may be given to any number of streams. They are all taken, but false asks to wait for
   * `onWritable`, as `streamOutputBytes` or `outputBytes` wait now; a writer that goes on until it is
   * twice as many loses the stream. On a stream that is over it does nothing and is false.
   */
  write(id: number, ...pieces: readonly Uint8Array[]): boolean {
    const stream = this.#session.find(id);
    if (stream === undefined) return false;
    if (stream.phase !== 'response') throw new Error(`stream ${id} has no open response`);
    if (this.#isOverfull(stream)) {
      this.reset(id, ErrorCode.enhanceYourCalm);
      return false;
    }
    for (const piece of pieces) this.#enqueue(stream, piece);
    this.#signal();
    if (this.#hasRoom(stream)) return true;
    stream.writerWaits = true;
    this.#someWriterWaits = true;
    return false;
  }

  /** Ends a response begun without a body. What was written is still sent. */
  end(id: number): void {
    const stream = this.#session.find(id);
    if (stream === undefined) return;
    if (stream.phase !== 'response') throw new Error(`stream ${id} has no open response`);
    stream.phase = 'ending';
    stream.writerWaits = false;
    this.#signal();
  }

  /** Gives up a stream at once, dropping what was written and has not left. */
  reset(id: number, code: ErrorCode): void {
    if (this.#session.find(id) === undefined) return;
    this.#session.reset(id, code);
    this.#settle();
  }

  /**
   * Closes the connection: with `noError`, the default, once the requests in progress are answered, new
   * ones being refused; with another code at once.
   */
  goAway(code: ErrorCode = ErrorCode.noError, why = ''): void {
    const session = this.#session;
    if (code !== ErrorCode.noError) {
      session.fail(code, why);
    } else if (session.leaving === undefined && !session.closed) {
      session.leaving = { code, why };
      writeGoAway(session.outbox.control, session.lastStream, code, utf8(why));
    }
    this.#settle();
  }

  /** Asks for a sign of life, which `onPong` tells of. Does nothing while one is awaited. */
  ping(): void {
    const session = this.#session;
    if (session.pinged || session.closed) return;
    session.pinged = true;
    writePing(session.outbox.control, PING_BYTES, false);
    this.#signal();
  }

  /** Tells that the transport is gone: ends everything, and there is no more output. */
  transportClosed(): void {
    this.#session.close({ code: ErrorCode.noError, why: 'transport closed' });
    this.#session.outbox.control.take();
  }

  #isOverfull(stream: Stream): boolean {
    const { limits, outbox } = this.#session;
    return (
      stream.pending >= 2 * limits.streamOutputBytes || outbox.buffered >= 2 * limits.outputBytes
    );
  }

  #hasRoom(stream: Stream): boolean {
    const { limits, outbox } = this.#session;
    return stream.pending < limits.streamOutputBytes && outbox.buffered < limits.outputBytes;
  }

  #hasRoomAgain(stream: Stream): boolean {
    const { limits, outbox } = this.#session;
    return (
      stream.pending <= limits.streamOutputBytes / 2 && outbox.buffered <= limits.outputBytes / 2
    );
  }

  #enqueue(stream: Stream, bytes: Uint8Array): void {
    if (bytes.length === 0 || stream.headOnly) return;
    stream.enqueue(bytes);
    this.#session.outbox.buffered += bytes.length;
  }

  /** Tells the handler what came of the last step. */
  #settle(): void {
    if (this.#busy) return;
    this.#busy = true;
    try {
      if (this.#someWriterWaits) this.#tellWritable();
      const { leaving, streams } = this.#session;
      if (leaving !== undefined && streams.length === 0) this.#session.close(leaving);
    } finally {
      this.#busy = false;
    }
    this.#signal();
  }

  #removeEnded(): void {
    const { outbox, streams } = this.#session;
    outbox.someEnded = false;
    for (;;) {
      const ended = streams.find((stream) => stream.phase === 'ended');
      if (ended === undefined) break;
      this.#session.remove(ended, 'done');
    }
  }

  #tellWritable(): void {
    const { handler, streams } = this.#session;
    for (;;) {
      const stream = streams.find((each) => each.writerWaits && this.#hasRoomAgain(each));
      if (stream === undefined) break;
      stream.writerWaits = false;
      handler.onWritable(stream.id);
    }
    this.#someWriterWaits = streams.some((stream) => stream.writerWaits);
  }

  #signal(): void {
    if (this.#busy || this.#signalled || !this.#session.outbox.ready) return;
    this.#signalled = true;
    this.#session.handler.onOutput();
  }
}
