/**
 * A set of addresses of one family, as sorted ranges that do not touch, in one array of words: whether
 * it holds an address is looked up where the address stands in a packet, and nothing is made for it.
 */
import {
  type Address,
  ADDRESS_BITS,
  addressBytes,
  compareAddresses,
  type Family,
} from '@malla/ip/address';

/** First and last address, both in it; of one family. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

export class AddressSet {
  /** 32-bit words of one address. */
  readonly #width: number;
  /** First and last of each range, in order. */
  readonly #bounds: Uint32Array;
  readonly #count: number;

  /** The ranges of this family; those of the other are left out. */
  constructor(family: Family, ranges: readonly AddressRange[]) {
    const merged = merge(ranges.filter(({ first }) => first.family === family));
    this.#width = ADDRESS_BITS[family] / 32;
    this.#count = merged.length;
    this.#bounds = new Uint32Array(merged.length * 2 * this.#width);
    for (const [i, { first, last }] of merged.entries()) {
      this.#set(2 * i, first);
      this.#set(2 * i + 1, last);
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Whether any address is in both. Both are of one family. */
  overlaps(other: AddressSet): boolean {
    for (let [ours, theirs] = [0, 0]; ours < this.#count && theirs < other.#count;) {
      if (compareWords(this.#bounds, 2 * ours + 1, other.#bounds, 2 * theirs, this.#width) < 0) {
        ours++;
      } else if (
        compareWords(other.#bounds, 2 * theirs + 1, this.#bounds, 2 * ours, this.#width) < 0
      ) {
        theirs++;
      } else return true;
    }
    return false;
  }

  /** Whether the address that begins at `at` is in it. */
  holds(bytes: Uint8Array, at: number): boolean {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(bytes, at, 2 * middle) < 0) high = middle;
      else low = middle + 1;
    }
    // The last range that begins at or before it.
    return low > 0 && this.#compare(bytes, at, 2 * low - 1) <= 0;
  }

  #set(bound: number, address: Address): void {
    const bytes = addressBytes(address);
    for (let i = 0; i < this.#width; i++) {
      this.#bounds[bound * this.#width + i] = wordAt(bytes, 4 * i);
    }
  }

  #compare(bytes: Uint8Array, at: number, bound: number): number {
    const start = bound * this.#width;
    for (let i = 0; i < this.#width; i++) {
      const difference = wordAt(bytes, at + 4 * i) - (this.#bounds[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** Compares two bounds, by their numbers. */
function compareWords(
  a: Uint32Array,
  boundOfA: number,
  b: Uint32Array,
  boundOfB: number,
  width: number,
): number {
  for (let i = 0; i < width; i++) {
    const difference = (a[boundOfA * width + i] ?? 0) - (b[boundOfB * width + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return ((high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

function merge(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const out: AddressRange[] = [];
  for (const range of ranges.toSorted((a, b) => compareAddresses(a.first, b.first))) {
    const before = out.at(-1);
    if (before === undefined || before.last.value + 1n < range.first.value) out.push(range);
    else if (before.last.value < range.last.value) {
      out[out.length - 1] = { first: before.first, last: range.last };
    }
  }
  return out;
}
