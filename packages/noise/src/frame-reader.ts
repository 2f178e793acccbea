/**
 * Finds the frames in a stream that arrives in chunks of any size. Holds back at most one frame, and no
 * memory at all between frames, which is where an idle connection is.
 *
 *     reader.push(chunk);
 *     for (let frame = reader.next(); frame.ok && frame.value; frame = reader.next()) { ... }
 *
 * Source: docs/protocol/ts2021.md §3.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { decodeFrameHeader, FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from './frame.ts';

const EMPTY = new Uint8Array();

export class FrameReader {
  #unread: Uint8Array = EMPTY;
  /** The beginning of a frame whose end is in a later chunk. */
  #held: Uint8Array | undefined;
  #heldBytes = 0;

  /** Memory that an incomplete frame takes, bytes. */
  get heldBytes(): number {
    return this.#held?.length ?? 0;
  }

  /** Takes the next chunk, which is borrowed until `next` has said that it holds no more frames. */
  push(chunk: Uint8Array): void {
    if (this.#unread.length > 0)
      throw new Error('the chunk before this one was not read to its end');
    this.#unread = chunk;
  }

  /**
   * The next frame with its header, or undefined where more has to come first. It may be a view of the
   * chunk. After `too-long` the stream cannot be read any further.
   */
  next(): Result<Uint8Array | undefined, 'too-long'> {
    if (this.#heldBytes === 0) {
      const bytes = frameBytes(this.#unread);
      if (bytes > MAX_FRAME_BYTES) return fail('too-long');
      if (bytes <= this.#unread.length) return ok(this.#take(bytes));
      if (this.#unread.length === 0) return ok(undefined);
    }
    const held = (this.#held ??= new Uint8Array(MAX_FRAME_BYTES));
    this.#hold(FRAME_HEADER_BYTES);
    const bytes = frameBytes(held.subarray(0, this.#heldBytes));
    if (bytes > MAX_FRAME_BYTES) return fail('too-long');
    this.#hold(bytes);
    if (this.#heldBytes < bytes) return ok(undefined);
    this.#held = undefined;
    this.#heldBytes = 0;
    return ok(held.subarray(0, bytes));
  }

  /** What follows the frame that `next` has just returned, for whoever reads the stream from here. */
  takeRest(): Uint8Array {
    return this.#take(this.#unread.length);
  }

  /** Moves bytes of the chunk into the held frame until it has `bytes`, or the chunk is at its end. */
  #hold(bytes: number): void {
    const part = this.#take(Math.max(0, bytes - this.#heldBytes));
    this.#held?.set(part, this.#heldBytes);
    this.#heldBytes += part.length;
  }

  #take(bytes: number): Uint8Array {
    const taken = this.#unread.subarray(0, bytes);
    this.#unread = this.#unread.subarray(bytes);
    return taken;
  }
}

/** Length of the frame that `bytes` begin with: at least a header, while that is incomplete. */
function frameBytes(bytes: Uint8Array): number {
  const header = decodeFrameHeader(bytes);
  if (header.ok) return FRAME_HEADER_BYTES + header.value.bodyBytes;
  return header.error === 'short' ? FRAME_HEADER_BYTES : Infinity;
}
