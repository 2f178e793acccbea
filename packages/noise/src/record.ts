/**
 * The record layer of ts2021: what follows the handshake in either direction, each with its own key.
 *
 *      0        1                 3                         3 + length
 *     +--------+-----------------+--------------+----------+
 *     | 0x04   | length (u16 BE) | ciphertext   | tag (16) |
 *     +--------+-----------------+--------------+----------+
 *
 * A record holds 0 to {@link MAX_PLAINTEXT_BYTES} of a byte stream; where it ends means nothing. The
 * nonce is 4 zero bytes and the record's number, u64 **big-endian** where Noise has little-endian.
 * There is no associated data and no rekeying.
 *
 * Source: docs/protocol/ts2021.md §5.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type Aead, NONCE_BYTES, TAG_BYTES } from './crypto.ts';
import { FrameReader } from './frame-reader.ts';
import { FRAME_HEADER_BYTES, FrameType, MAX_BODY_BYTES, writeFrameHeader } from './frame.ts';

export const MAX_PLAINTEXT_BYTES = MAX_BODY_BYTES - TAG_BYTES;

const OVERHEAD_BYTES = FRAME_HEADER_BYTES + TAG_BYTES;
/** Of the 2^64-1 that the protocol allows, what a number counts: a million a second for 285 years. */
const MAX_RECORDS = Number.MAX_SAFE_INTEGER;

/** Any of them ends the connection: the two sides no longer agree about the stream. */
export type RecordFault = 'too-long' | 'not-a-record' | 'not-authentic';

/** Seals one direction of a connection. */
export class RecordSealer {
  readonly #key: Uint8Array;
  readonly #aead: Aead;
  #records = 0;

  constructor(key: Uint8Array, aead: Aead) {
    this.#key = key;
    this.#aead = aead;
  }

  /**
   * Seals the parts, one after the other, in as few records as hold them, into one new array. What it
   * returns must go out in the order of the calls, and all of it: there is no way to seal again.
   */
  seal(...parts: readonly Uint8Array[]): Uint8Array {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const out = new Uint8Array(sealedBytes(bytes));
    this.sealInto(out, ...parts);
    return out;
  }

  /**
   * Does the same into the beginning of `out`, which must be long enough and hold none of the parts.
   * Returns how much of it, {@link sealedBytes}.
   */
  sealInto(out: Uint8Array, ...parts: readonly Uint8Array[]): number {
    let rest = 0;
    for (const part of parts) rest += part.length;
    const total = sealedBytes(rest);
    if (total > out.length) throw new RangeError(`${out.length} bytes to seal ${rest} into`);
    const source = new Gather(parts);
    for (let at = 0; at < total;) {
      const length = Math.min(rest, MAX_PLAINTEXT_BYTES);
      writeFrameHeader(out, at, FrameType.record, length + TAG_BYTES);
      const body = out.subarray(at + FRAME_HEADER_BYTES, at + OVERHEAD_BYTES + length);
      const plaintext = source.take(length, body);
      this.#aead.seal(this.#key, recordNonce(this.#records++), plaintext, body);
      at += OVERHEAD_BYTES + length;
      rest -= length;
    }
    return total;
  }
}

/** How long so many bytes are when they are sealed. */
export function sealedBytes(bytes: number): number {
  return bytes + Math.ceil(bytes / MAX_PLAINTEXT_BYTES) * OVERHEAD_BYTES;
}

/** Opens one direction of a connection. */
export class RecordOpener {
  readonly #key: Uint8Array;
  readonly #aead: Aead;
  readonly #frames = new FrameReader();
  #records = 0;
  #fault: RecordFault | undefined;

  constructor(key: Uint8Array, aead: Aead) {
    this.#key = key;
    this.#aead = aead;
  }

  /** Memory that an incomplete record takes, bytes. */
  get heldBytes(): number {
    return this.#frames.heldBytes;
  }

  /**
   * Takes the next chunk of the stream and returns the pieces of plaintext that it completes, in memory
   * of their own; no piece is empty. After a fault every call returns that fault. What the same chunk
   * held before it is dropped: the connection is over. Never throws, whatever the bytes.
   */
  open(chunk: Uint8Array): Result<readonly Uint8Array[], RecordFault> {
    if (this.#fault !== undefined) return fail(this.#fault);
    const pieces: Uint8Array[] = [];
    this.#frames.push(chunk);
    for (;;) {
      const frame = this.#frames.next();
      if (!frame.ok) return this.#poison(frame.error);
      if (frame.value === undefined) return ok(pieces);
      if (frame.value[0] !== FrameType.record) return this.#poison('not-a-record');
      const sealed = frame.value.subarray(FRAME_HEADER_BYTES);
      const piece = this.#aead.open(this.#key, recordNonce(this.#records++), sealed);
      if (piece === undefined) return this.#poison('not-authentic');
      if (piece.length > 0) pieces.push(piece);
    }
  }

  #poison(fault: RecordFault): Result<never, RecordFault> {
    this.#fault = fault;
    return fail(fault);
  }
}

/** Reads through several arrays as if they were one. */
class Gather {
  readonly #parts: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  /** The next `length` bytes: a view where one part holds them, else copied to the start of `scratch`. */
  take(length: number, scratch: Uint8Array): Uint8Array {
    for (let filled = 0; ;) {
      const part = this.#parts[this.#index];
      if (part === undefined) return scratch.subarray(0, filled);
      const piece = part.subarray(this.#offset, this.#offset + length - filled);
      this.#offset += piece.length;
      if (this.#offset === part.length) {
        this.#index++;
        this.#offset = 0;
      }
      if (piece.length === length) return piece;
      scratch.set(piece, filled);
      filled += piece.length;
      if (filled === length) return scratch.subarray(0, length);
    }
  }
}

const nonce = new Uint8Array(NONCE_BYTES);
const nonceView = new DataView(nonce.buffer);

/** The nonce of a record, in memory that the next call overwrites. */
function recordNonce(record: number): Uint8Array {
  if (record >= MAX_RECORDS) throw new RangeError('this key has sealed or opened too many records');
  nonceView.setUint32(4, Math.floor(record / 2 ** 32));
  nonceView.setUint32(8, record >>> 0);
  return nonce;
}
