/**
 * A set of addresses of one family, as sorted ranges that do not touch, in one array of bytes: whether
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
  /** Bytes of one address. */
  readonly #width: number;
  /** First and last of each range, in order. */
  readonly #bounds: Uint8Array;
  readonly #count: number;

  /** The ranges of this family; those of the other are left out. */
  constructor(family: Family, ranges: readonly AddressRange[]) {
    const merged = merge(ranges.filter(({ first }) => first.family === family));
    this.#width = ADDRESS_BITS[family] / 8;
    this.#count = merged.length;
    this.#bounds = new Uint8Array(merged.length * 2 * this.#width);
    for (const [i, { first, last }] of merged.entries()) {
      this.#bounds.set(addressBytes(first), 2 * i * this.#width);
      this.#bounds.set(addressBytes(last), (2 * i + 1) * this.#width);
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Whether the address that begins at `at` is in it. */
  holds(bytes: Uint8Array, at: number): boolean {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBelow(bytes, at, 2 * middle)) high = middle;
      else low = middle + 1;
    }
    // The last range that begins at or before it.
    return low > 0 && !this.#isAbove(bytes, at, 2 * low - 1);
  }

  #isBelow(bytes: Uint8Array, at: number, bound: number): boolean {
    return this.#compare(bytes, at, bound) < 0;
  }

  #isAbove(bytes: Uint8Array, at: number, bound: number): boolean {
    return this.#compare(bytes, at, bound) > 0;
  }

  #compare(bytes: Uint8Array, at: number, bound: number): number {
    const start = bound * this.#width;
    for (let i = 0; i < this.#width; i++) {
      const difference = (bytes[at + i] ?? 0) - (this.#bounds[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }
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
