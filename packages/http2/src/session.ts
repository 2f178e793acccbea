/**
 * What the parts of a connection share: its streams, what leaves it, what the peer has left of our
 * patience, and the two kinds of errors (RFC 9113 §5.4).
 */
import { utf8 } from '@malla/base/bytes';
import { FloodBudget, NuisanceCost } from './flood-budget.ts';
import { DEFAULT_WINDOW } from './flow.ts';
import { ErrorCode, writeGoAway, writeHeaderBlock, writeRstStream } from './frame.ts';
import type { ConnectionEnd, Http2Handler, StreamEnd } from './handler.ts';
import { encodeHeaders } from './hpack/encoder.ts';
import type { Field } from './hpack/field.ts';
import type { Http2Limits } from './limits.ts';
import { Outbox } from './outbox.ts';
import type { Stream } from './stream.ts';

/** Streams reset by us of which late frames are expected and ignored. */
const REMEMBERED_RESETS = 32;

/** The state of one connection. */
export class Session {
  readonly handler: Http2Handler;
  readonly limits: Http2Limits;
  readonly streams: Stream[] = [];
  readonly outbox = new Outbox(this.streams);
  /** The driver's time of the input at hand. */
  now = 0;
  /** Highest stream that the peer has begun. */
  lastStream = 0;
  /** What new streams may send, by the peer's settings. */
  initialSendWindow = DEFAULT_WINDOW;
  /** Bytes of requests that are not complete. */
  gathered = 0;
  /** The end that is announced, while requests in progress are still answered. */
  leaving: ConnectionEnd | undefined;
  closed = false;
  /** Whether an answer to a PING of ours is awaited. */
  pinged = false;
  readonly #budget: FloodBudget;
  #resets: number[] | undefined;
  #responded = false;

  constructor(handler: Http2Handler, limits: Http2Limits) {
    this.handler = handler;
    this.limits = limits;
    this.#budget = new FloodBudget(limits.nuisanceBurst, limits.nuisancePerSecond);
  }

  /** The stream, if it is neither idle nor closed. There are few, so a list is the cheapest map. */
  find(id: number): Stream | undefined {
    for (const stream of this.streams) if (stream.id === id) return stream;
    return undefined;
  }

  /** Whether nobody has begun this stream, in which case hardly a frame is legal on it. */
  isIdle(id: number): boolean {
    return id > this.lastStream || id % 2 === 0;
  }

  /** Whether late frames on a closed stream are to be expected, as we reset it. */
  wasReset(id: number): boolean {
    return this.#resets?.includes(id) ?? false;
  }

  /** Pays for a frame without progress; false when it was one too many, and the end. */
  charge(cost: NuisanceCost): boolean {
    if (this.#budget.spend(cost, this.now)) return true;
    this.fail(ErrorCode.enhanceYourCalm, 'too many frames to no purpose');
    return false;
  }

  /** Answers a request that will not reach the handler, and asks to stop sending it (§8.1). */
  refuse(id: number, status: number, peerIsDone: boolean): void {
    if (!this.charge(NuisanceCost.reset)) return;
    this.writeHeaders(id, [[':status', String(status)]], true);
    if (!peerIsDone) this.#writeReset(id, ErrorCode.noError);
    const stream = this.find(id);
    if (stream !== undefined) this.remove(stream, 'reset');
  }

  /** A stream error (RFC 9113 §5.4.2). */
  streamError(id: number, code: ErrorCode): void {
    if (this.isIdle(id)) return this.fail(code, 'stream error on an idle stream');
    if (this.charge(NuisanceCost.reset)) this.reset(id, code);
  }

  /** Sends RST_STREAM, and forgets the stream. */
  reset(id: number, code: ErrorCode): void {
    this.#writeReset(id, code);
    const stream = this.find(id);
    if (stream !== undefined) this.remove(stream, 'reset');
  }

  /** A connection error (RFC 9113 §5.4.1). */
  fail(code: ErrorCode, why: string): void {
    if (this.closed) return;
    writeGoAway(this.outbox.control, this.lastStream, code, utf8(why));
    this.close({ code, why });
  }

  /** Ends all streams, and the connection. */
  close(end: ConnectionEnd): void {
    if (this.closed) return;
    this.closed = true;
    for (let stream = this.streams.at(-1); stream; stream = this.streams.at(-1)) {
      this.remove(stream, 'connection-closed');
    }
    this.handler.onClosed(end);
  }

  /** Takes a stream out, telling the handler if it knows of it. */
  remove(stream: Stream, end: StreamEnd): void {
    this.streams.splice(this.streams.indexOf(stream), 1);
    this.outbox.buffered -= stream.pending;
    if (stream.incoming === undefined) this.handler.onStreamClosed(stream.id, end);
    else this.forgetIncoming(stream);
  }

  /** Gives back the room of a request that is complete or given up. */
  forgetIncoming(stream: Stream): void {
    if (stream.incoming === undefined) return;
    this.gathered -= stream.incoming.headBytes + stream.incoming.body.length;
    stream.incoming = undefined;
  }

  /** Sends a header block. */
  writeHeaders(id: number, fields: readonly Field[], endStream: boolean): void {
    const block = encodeHeaders(fields, !this.#responded);
    this.#responded = true;
    writeHeaderBlock(this.outbox.control, id, block, endStream);
  }

  #writeReset(id: number, code: ErrorCode): void {
    writeRstStream(this.outbox.control, id, code);
    const resets = (this.#resets ??= []);
    if (resets.push(id) > REMEMBERED_RESETS) resets.shift();
  }
}
