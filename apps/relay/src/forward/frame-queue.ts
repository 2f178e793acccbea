/**
 * Frames that wait for one client, back to back in one buffer, so that all of them go out in one write.
 * Bounded in bytes and frames; a frame that does not fit drops the oldest ones.
 */
import { bodyBytesAt, FRAME_HEADER_BYTES } from '@malla/wire/derp/frame';
import { type BufferPool, MAX_BUFFER_BYTES } from './buffer-pool.ts';

export interface QueueBounds {
  /** At most {@link MAX_BUFFER_BYTES}, and at least the longest frame. */
  readonly bytes: number;
  readonly frames: number;
}

/** Bytes taken out of a queue, and the pool's buffer that they stand in, to be released after use. */
export interface Taken {
  readonly bytes: Uint8Array;
  readonly buffer: Buffer;
}

export class FrameQueue {
  readonly #pool: BufferPool;
  readonly #bounds: QueueBounds;
  #buffer: Buffer | undefined;
  #head = 0;
  #tail = 0;
  #frames = 0;

  constructor(pool: BufferPool, bounds: QueueBounds) {
    if (bounds.bytes > MAX_BUFFER_BYTES) throw new RangeError('the queue is larger than a buffer');
    this.#pool = pool;
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#tail - this.#head;
  }

  get frames(): number {
    return this.#frames;
  }

  /**
   * Copies `frames` whole frames in, which fill `start` to `end`; returns how many older ones were
   * dropped for them.
   */
  push(source: Uint8Array, start: number, end: number, frames: number): number {
    const size = end - start;
    let dropped = 0;
    while (
      this.#frames > 0 &&
      (this.bytes + size > this.#bounds.bytes || this.#frames + frames > this.#bounds.frames)
    ) {
      this.#dropOldest();
      dropped++;
    }
    const buffer = this.#room(size);
    buffer.set(source.subarray(start, end), this.#tail);
    this.#tail += size;
    this.#frames += frames;
    return dropped;
  }

  /**
   * Takes the oldest frames: all, or as many whole ones as fit `maxBytes` (but always one). Undefined
   * when the queue is empty.
   */
  take(maxBytes: number): Taken | undefined {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#frames === 0) return undefined;
    if (this.bytes > maxBytes) return this.#takePart(buffer, maxBytes);
    const bytes = buffer.subarray(this.#head, this.#tail);
    this.#reset();
    return { bytes, buffer };
  }

  /** Forgets everything and gives the buffer back. */
  clear(): void {
    if (this.#buffer !== undefined) this.#pool.release(this.#buffer);
    this.#reset();
  }

  #takePart(from: Buffer, maxBytes: number): Taken {
    let end = this.#head;
    do {
      end += this.#frameBytes(from, end);
      this.#frames--;
    } while (this.#frames > 0 && end + this.#frameBytes(from, end) - this.#head <= maxBytes);
    const size = end - this.#head;
    const buffer = this.#pool.acquire(size);
    const bytes = buffer.subarray(0, size);
    bytes.set(from.subarray(this.#head, end));
    this.#head = end;
    if (this.#frames === 0) this.clear();
    return { bytes, buffer };
  }

  #dropOldest(): void {
    if (this.#buffer === undefined) return;
    this.#head += this.#frameBytes(this.#buffer, this.#head);
    this.#frames--;
  }

  #frameBytes(buffer: Buffer, at: number): number {
    return FRAME_HEADER_BYTES + bodyBytesAt(buffer, at);
  }

  /** A buffer with room for `size` more bytes behind the tail. */
  #room(size: number): Buffer {
    const old = this.#buffer;
    if (old === undefined) {
      this.#buffer = this.#pool.acquire(size);
      return this.#buffer;
    }
    if (this.#tail + size <= old.length) return old;
    const bytes = this.bytes;
    if (bytes + size <= old.length) {
      old.copyWithin(0, this.#head, this.#tail);
    } else {
      this.#buffer = this.#pool.acquire(bytes + size);
      this.#buffer.set(old.subarray(this.#head, this.#tail));
      this.#pool.release(old);
    }
    this.#head = 0;
    this.#tail = bytes;
    return this.#buffer ?? old;
  }

  #reset(): void {
    this.#buffer = undefined;
    this.#head = 0;
    this.#tail = 0;
    this.#frames = 0;
  }
}
