/**
 * Cuts a byte stream into DERP frames without copying: a frame that lies whole in a chunk is handed
 * out where it stands, as an offset into the chunk, so that a relay can rewrite it in place. Only a
 * frame that a chunk's end cuts in two is assembled in a buffer of its own, which exists until the
 * frame is complete; between frames a splitter owns no memory.
 *
 * Source: docs/protocol/derp.md §2.
 */
import { bodyBytesAt, FRAME_HEADER_BYTES, type FrameFault, MAX_BODY_BYTES } from './frame.ts';

/**
 * Receives a whole frame: `bytes` from `start` (its header) to `end`. The bytes may be changed, and
 * are valid during the call only. Returns false to stop before the next frame.
 */
export type OnFrame = (bytes: Uint8Array, start: number, end: number) => boolean;

/**
 * The longest body wanted of a frame type; undefined skips frames of that type, whatever their length
 * up to {@link MAX_BODY_BYTES}, without buffering them.
 */
export type BodyLimit = (type: number) => number | undefined;

export class FrameSplitter {
  readonly #limit: BodyLimit;
  readonly #onFrame: OnFrame;
  /** A frame of which the end is yet to come: at first room for its header, then for all of it. */
  #partial: Uint8Array | undefined;
  #have = 0;
  /** Bytes of an unwanted frame that are yet to come. */
  #skip = 0;
  #consumed = 0;

  constructor(limit: BodyLimit, onFrame: OnFrame) {
    this.#limit = limit;
    this.#onFrame = onFrame;
  }

  /** Bytes held back for a frame that is not complete. */
  get bufferedBytes(): number {
    return this.#partial?.length ?? 0;
  }

  /** How much of the chunk last pushed has been dealt with: all of it unless `onFrame` stopped. */
  get consumed(): number {
    return this.#consumed;
  }

  /**
   * Hands out every frame that `chunk` completes, in order. The chunk is not kept. After `stopped` the
   * bytes from {@link consumed} on may be pushed again to go on; after a fault the stream is over.
   */
  push(chunk: Uint8Array): FrameFault | 'stopped' | undefined {
    this.#consumed = chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= skipped;
        at += skipped;
      } else if (this.#partial !== undefined) {
        const copied = this.#fill(this.#partial, chunk, at);
        at += copied;
        const fault = this.#settlePartial(this.#partial);
        if (fault !== undefined) {
          this.#consumed = at;
          return fault;
        }
      } else if (chunk.length - at < FRAME_HEADER_BYTES) {
        this.#partial = new Uint8Array(FRAME_HEADER_BYTES);
      } else {
        const bodyBytes = bodyBytesAt(chunk, at);
        if (bodyBytes > MAX_BODY_BYTES) return 'body-too-long';
        const limit = this.#limit(chunk[at] ?? 0);
        const end = at + FRAME_HEADER_BYTES + bodyBytes;
        if (limit === undefined) {
          this.#skip = FRAME_HEADER_BYTES + bodyBytes;
        } else if (bodyBytes > limit) {
          return 'body-too-long';
        } else if (end > chunk.length) {
          this.#partial = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes);
        } else {
          at = end;
          if (!this.#onFrame(chunk, end - FRAME_HEADER_BYTES - bodyBytes, end)) {
            this.#consumed = end;
            return 'stopped';
          }
        }
      }
    }
    return undefined;
  }

  #fill(partial: Uint8Array, chunk: Uint8Array, at: number): number {
    const bytes = Math.min(partial.length - this.#have, chunk.length - at);
    partial.set(chunk.subarray(at, at + bytes), this.#have);
    this.#have += bytes;
    return bytes;
  }

  /** Hands the partial frame out if it is complete, or makes room once its length is known. */
  #settlePartial(partial: Uint8Array): FrameFault | 'stopped' | undefined {
    if (this.#have < partial.length) return undefined;
    const bodyBytes = bodyBytesAt(partial, 0);
    if (partial.length === FRAME_HEADER_BYTES && bodyBytes > 0) {
      if (bodyBytes > MAX_BODY_BYTES) return 'body-too-long';
      const limit = this.#limit(partial[0] ?? 0);
      if (limit === undefined) {
        this.#forget();
        this.#skip = bodyBytes;
        return undefined;
      }
      if (bodyBytes > limit) return 'body-too-long';
      this.#partial = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes);
      this.#partial.set(partial);
      return undefined;
    }
    this.#forget();
    if (this.#limit(partial[0] ?? 0) === undefined) return undefined;
    return this.#onFrame(partial, 0, partial.length) ? undefined : 'stopped';
  }

  #forget(): void {
    this.#partial = undefined;
    this.#have = 0;
  }
}
