/**
 * Bytes that arrive or are written piece by piece. Grows by doubling, so holding n bytes costs less than
 * 2n + 64 however small the pieces are, and holds no memory while empty.
 */

const EMPTY = new Uint8Array(0);
const FIRST_CAPACITY = 64;

/** A growable array of bytes, appended at the end and taken from the front. */
export class ByteBuffer {
  #bytes = EMPTY;
  #start = 0;
  #end = 0;

  /** How many bytes are held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Copies bytes to the end. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Appends one byte. */
  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  /** Appends 16 bits, big-endian. */
  u16(value: number): void {
    this.u8(value >>> 8);
    this.u8(value);
  }

  /** Appends 32 bits, big-endian. */
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }

  /** The bytes held, without a copy: valid until the next call. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Takes out all bytes, without a copy, and is empty afterwards. */
  take(): Uint8Array {
    const bytes = this.view();
    this.#release();
    return bytes;
  }

  /** Moves as many bytes as fit to `into`, beginning at `at`; returns how many. */
  moveTo(into: Uint8Array, at: number): number {
    const count = Math.min(this.length, into.length - at);
    into.set(this.#bytes.subarray(this.#start, this.#start + count), at);
    this.#start += count;
    if (this.#start === this.#end) this.#release();
    return count;
  }

  #release(): void {
    this.#bytes = EMPTY;
    this.#start = 0;
    this.#end = 0;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const held = this.length;
    const capacity = held === 0 ? count : (held + count) * 2;
    const grown = new Uint8Array(Math.max(FIRST_CAPACITY, capacity));
    grown.set(this.view());
    this.#bytes = grown;
    this.#start = 0;
    this.#end = held;
  }
}
