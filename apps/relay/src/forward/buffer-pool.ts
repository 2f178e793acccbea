/**
 * Buffers for what waits to be written, reused so that a busy relay allocates next to nothing and an
 * idle client owns no buffer at all.
 */

/** One lone packet; a client's share of a busy turn; the longest queue. */
const SIZES = [2 * 1024, 16 * 1024, 128 * 1024] as const;
/** Bytes that may lie unused, per size. */
const MAX_IDLE_BYTES = 4 << 20;

/** The largest buffer that can be had. */
export const MAX_BUFFER_BYTES: number = SIZES[2];

export class BufferPool {
  readonly #free: readonly Buffer[][] = SIZES.map(() => []);
  readonly #maxBytes: number;
  #lentBytes = 0;

  /** `maxBytes`: how much may be lent before {@link exhausted}. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether so much waits to be written that no more packets should. */
  get exhausted(): boolean {
    return this.#lentBytes >= this.#maxBytes;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** A buffer of at least `bytes`, with anything in it. */
  acquire(bytes: number): Buffer {
    const at = SIZES.findIndex((size) => size >= bytes);
    const size = SIZES[at];
    if (size === undefined) throw new RangeError(`no buffer has ${bytes} bytes`);
    this.#lentBytes += size;
    return this.#free[at]?.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  /** Takes a buffer back. The caller must not touch it again. */
  release(buffer: Buffer): void {
    const at = SIZES.findIndex((size) => size === buffer.length);
    const free = this.#free[at];
    if (free === undefined) throw new RangeError('not a buffer of this pool');
    this.#lentBytes -= buffer.length;
    if ((free.length + 1) * buffer.length <= MAX_IDLE_BYTES) free.push(buffer);
  }

  /** Gives up a buffer that a write which will never report may still be reading. */
  abandon(buffer: Buffer): void {
    this.#lentBytes -= buffer.length;
  }
}
