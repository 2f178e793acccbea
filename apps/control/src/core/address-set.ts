/**
 * Sets of addresses that nodes may get, and which address of a set was given last: sequential allocation
 * goes on after it.
 *
 * A set is what is left of some prefixes without the first and last address of each that has more than
 * two, what clients reserve, and what is kept for others.
 */
import { type Address, type Family, parseAddress } from '@malla/ip/address';
import { lastAddress, type Prefix, prefixSize } from '@malla/ip/prefix';
import { RESERVED } from '@malla/ip/special';

/** Addresses one after the other, both ends included. */
interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

export class AddressSet {
  readonly family: Family;
  readonly size: bigint;
  /** The same for sets of the same addresses, and for no others. */
  readonly key: string;
  /** In order, apart from each other. */
  readonly #ranges: readonly Range[];

  /** The addresses of `within` that are in one of the prefixes and in none of `except`. */
  constructor(prefixes: readonly Prefix[], within: Prefix, except: readonly Prefix[] = []) {
    const { family } = within.network;
    const holes = [...RESERVED, ...except]
      .filter(({ network }) => network.family === family)
      .map(rangeOf);
    const inner = withoutEdges(within);
    const ranges = union(prefixes.map(withoutEdges)).map(({ from, to }) => ({
      from: from > inner.from ? from : inner.from,
      to: to < inner.to ? to : inner.to,
    }));
    this.family = family;
    this.#ranges = subtract(ranges, union(holes));
    this.size = this.#ranges.reduce((sum, { from, to }) => sum + to - from + 1n, 0n);
    this.key = `${family} ${this.#ranges.map(({ from, to }) => `${from}-${to}`).join()}`;
  }

  has({ family, value }: Address): boolean {
    return (
      family === this.family && this.#ranges.some(({ from, to }) => from <= value && value <= to)
    );
  }

  /** How many of its addresses are not above another. */
  countUpTo({ value }: Address): bigint {
    let count = 0n;
    for (const { from, to } of this.#ranges) {
      if (from > value) break;
      count += (to < value ? to : value) - from + 1n;
    }
    return count;
  }

  /** Its addresses in order, from 0. */
  nth(nth: bigint): Address {
    let rest = nth;
    for (const { from, to } of this.#ranges) {
      const size = to - from + 1n;
      if (rest < size) return { family: this.family, value: from + rest };
      rest -= size;
    }
    throw new RangeError(`no address number ${nth}`);
  }
}

/** Beyond as many sets the one that was asked for first is looked up anew when it is asked for again. */
const MAX_SETS = 256;

/** Which address of each set was given last. Sets are followed from when they are first asked for. */
export class LastGiven {
  readonly #sets = new Map<string, { readonly set: AddressSet; last: Address | undefined }>();

  /** `before` is what was given until now, in order; it is looked at when the set is new. */
  of(set: AddressSet, before: () => Iterable<string | undefined>): Address | undefined {
    const known = this.#sets.get(set.key);
    if (known !== undefined) return known.last;
    let last: Address | undefined;
    for (const text of before()) {
      const address = text === undefined ? undefined : parseAddress(text);
      if (address?.ok === true && set.has(address.value)) last = address.value;
    }
    for (const key of this.#sets.keys()) {
      if (this.#sets.size < MAX_SETS) break;
      this.#sets.delete(key);
    }
    this.#sets.set(set.key, { set, last });
    return last;
  }

  /** An address was given. */
  note(text: string): void {
    if (this.#sets.size === 0) return;
    const address = parseAddress(text);
    if (!address.ok) return;
    for (const entry of this.#sets.values()) {
      if (entry.set.has(address.value)) entry.last = address.value;
    }
  }
}

function rangeOf(prefix: Prefix): Range {
  return { from: prefix.network.value, to: lastAddress(prefix).value };
}

function withoutEdges(prefix: Prefix): Range {
  const { from, to } = rangeOf(prefix);
  return prefixSize(prefix) > 2n ? { from: from + 1n, to: to - 1n } : { from, to };
}

/** The same addresses in order, apart from each other. */
function union(ranges: readonly Range[]): readonly Range[] {
  const out: Range[] = [];
  for (const range of ranges.toSorted(
    (a, b) => Number(a.from > b.from) - Number(a.from < b.from),
  )) {
    const last = out.at(-1);
    if (last === undefined || range.from > last.to) out.push(range);
    else if (range.to > last.to) out[out.length - 1] = { from: last.from, to: range.to };
  }
  return out;
}

/** Of ranges what is in no hole; both in order. */
function subtract(ranges: readonly Range[], holes: readonly Range[]): readonly Range[] {
  return ranges.flatMap(({ from, to }) => {
    const left: Range[] = [];
    let next = from;
    for (const hole of holes) {
      if (hole.to < next) continue;
      if (hole.from > to) break;
      left.push({ from: next, to: hole.from - 1n });
      next = hole.to + 1n;
    }
    left.push({ from: next, to });
    return left.filter((range) => range.from <= range.to);
  });
}
