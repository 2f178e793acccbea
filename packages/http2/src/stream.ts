/**
 * One request and its response (RFC 9113 §5.1). A stream exists from its first HEADERS until the last
 * byte of the response has left or either side reset it; what is not here is idle or closed.
 */
import { ByteBuffer } from './byte-buffer.ts';
import { ReceiveWindow } from './flow.ts';
import type { RequestHead } from './request.ts';

/**
 * - `request`: gathering the request's body
 * - `handler`: the handler has the request and has not responded
 * - `response`: headers are sent, the body is being written
 * - `ending`: no more will be written, but some bytes wait
 * - `ended`: END_STREAM has left
 */
export type StreamPhase = 'request' | 'handler' | 'response' | 'ending' | 'ended';

/** A request that is not complete yet; given up once it is, since a response may take days. */
export class IncomingRequest {
  readonly head: RequestHead;
  /** The largest body it may have. */
  readonly bodyLimit: number;
  /** Size of the header list, which counts as gathered like the body. */
  readonly headBytes: number;
  /** When its headers came, in the driver's time. */
  readonly since: number;
  readonly body = new ByteBuffer();
  readonly window = new ReceiveWindow();

  constructor(head: RequestHead, bodyLimit: number, headBytes: number, since: number) {
    this.head = head;
    this.bodyLimit = bodyLimit;
    this.headBytes = headBytes;
    this.since = since;
  }
}

/** A stream, with the part of the response's body that waits for window or transport. */
export class Stream {
  readonly id: number;
  /** Whether the response has no body, whatever is written, the request being HEAD. */
  readonly headOnly: boolean;
  phase: StreamPhase = 'request';
  incoming: IncomingRequest | undefined;
  /** What the peer lets us send; negative after it shrank the window. */
  sendWindow: number;
  /** Bytes that wait. */
  pending = 0;
  /** Whether the writer waits to be told that there is room. */
  writerWaits = false;
  #first: Uint8Array | undefined;
  #more: Uint8Array[] | undefined;

  constructor(id: number, sendWindow: number, incoming: IncomingRequest) {
    this.id = id;
    this.headOnly = incoming.head.method === 'HEAD';
    this.sendWindow = sendWindow;
    this.incoming = incoming;
  }

  /** Whether DATA can be sent as far as this stream's own window is concerned. */
  get sendable(): boolean {
    return this.pending > 0 ? this.sendWindow > 0 : this.phase === 'ending';
  }

  /** Adds bytes to those that wait, without a copy. */
  enqueue(bytes: Uint8Array): void {
    this.pending += bytes.length;
    if (this.#first === undefined) this.#first = bytes;
    else (this.#more ??= []).push(bytes);
  }

  /** Moves `count` of the waiting bytes to `into`, beginning at `at`. */
  moveTo(into: Uint8Array, at: number, count: number): void {
    this.pending -= count;
    this.sendWindow -= count;
    let taken = 0; // whole chunks of #more
    let left = count;
    let first = this.#first;
    while (first !== undefined && left > 0) {
      const part = first.length <= left ? first : first.subarray(0, left);
      into.set(part, at);
      at += part.length;
      left -= part.length;
      first = part === first ? this.#more?.[taken++] : first.subarray(part.length);
    }
    this.#first = first;
    if (taken > 0) this.#dropTaken(taken);
  }

  #dropTaken(taken: number): void {
    const more = this.#more;
    if (more === undefined) return;
    if (taken >= more.length) this.#more = undefined;
    else more.splice(0, taken);
  }
}
