/**
 * The sources of rules as addresses, changed one by one as nodes come and go. In a packet filter,
 * addresses that follow each other are one range. The hosted service lists each, and so does the spelled
 * form.
 */
import { type Address, ADDRESS_BITS, type Family, formatAddress } from '@malla/ip/address';
import { contains, formatPrefix, lastAddress, type Prefix } from '@malla/ip/prefix';
import { CGNAT, CHROMEOS_RANGE, TAILNET_ULA } from '@malla/ip/special';

/** What `*` means as a source, beside what subnet routers serve: the tailnet's ranges. Observed: the hosted service, April 2026. */
export const TAILNET_RANGES: readonly string[] = [
  formatRange(4, CGNAT.network.value, CHROMEOS_RANGE.network.value - 1n),
  formatRange(4, lastAddress(CHROMEOS_RANGE).value + 1n, lastAddress(CGNAT).value),
  formatPrefix(TAILNET_ULA),
];

/** Whether an address is in {@link TAILNET_RANGES}. */
export function isTailnetAddress(address: Address): boolean {
  if (address.family === 6) return contains(TAILNET_ULA, address);
  return contains(CGNAT, address) && !contains(CHROMEOS_RANGE, address);
}

/** Addresses that follow each other, with their text. */
interface Range {
  readonly first: bigint;
  readonly last: bigint;
  readonly text: string;
}

/** An address, which is a range as well. */
export interface SourceAddress extends Address, Range {}

/** Makes it. */
export function sourceAddress({ family, value }: Address): SourceAddress {
  return { family, value, first: value, last: value, text: formatAddress({ family, value }) };
}

/** A set of addresses as the fewest ranges, changed where an address comes or goes. */
export class AddressSet {
  /** Rising; between two there is an address that is not in the set. */
  readonly #ranges: Record<Family, Range[]> = { 4: [], 6: [] };
  #texts: readonly string[] | undefined;
  #after: { readonly others: readonly string[]; readonly texts: readonly string[] } | undefined;

  constructor(addresses: readonly SourceAddress[] = []) {
    for (const family of FAMILIES) {
      const ranges = addresses.filter((address) => address.family === family);
      this.#ranges[family] = merged(family, ranges);
    }
  }

  /** All that is in any of several sets. */
  static union(sets: readonly AddressSet[]): AddressSet {
    const union = new AddressSet();
    for (const family of FAMILIES) {
      const ranges = sets.flatMap((set) => set.#ranges[family]);
      union.#ranges[family] = merged(family, ranges);
    }
    return union;
  }

  add(address: SourceAddress): void {
    const { family, value } = address;
    const at = this.#placeOf(address);
    const [before, after] = [this.#ranges[family][at - 1], this.#ranges[family][at]];
    if (after !== undefined && after.first <= value) return;
    const follows = before?.last === value - 1n;
    const precedes = after?.first === value + 1n;
    const first = follows ? before.first : value;
    const last = precedes ? after.last : value;
    const range = follows || precedes ? rangeOf(family, first, last) : address;
    this.#replace(family, follows ? at - 1 : at, Number(follows) + Number(precedes), [range]);
  }

  remove(address: Address): void {
    const { family, value } = address;
    const at = this.#placeOf(address);
    const range = this.#ranges[family][at];
    if (range === undefined || range.first > value) return;
    const { first, last } = range;
    this.#replace(family, at, 1, [
      ...(first < value ? [rangeOf(family, first, value - 1n)] : []),
      ...(value < last ? [rangeOf(family, value + 1n, last)] : []),
    ]);
  }

  /** As the fewest texts. The same array until the set changes. */
  ranges(): readonly string[] {
    const texts = (family: Family): readonly string[] =>
      this.#ranges[family].map(({ text }) => text);
    this.#texts ??= texts(4).concat(texts(6));
    return this.#texts;
  }

  /** After other texts. The same array until the set changes, or others are asked for. */
  rangesAfter(others: readonly string[]): readonly string[] {
    const added = this.ranges();
    if (added.length === 0) return others;
    if (this.#after?.others !== others) this.#after = { others, texts: others.concat(added) };
    return this.#after.texts;
  }

  /** Each address by itself. */
  spelled(): readonly string[] {
    return FAMILIES.flatMap((family) =>
      this.#ranges[family].flatMap((each) => spell(family, each)),
    );
  }

  #replace(family: Family, at: number, count: number, ranges: readonly Range[]): void {
    this.#ranges[family].splice(at, count, ...ranges);
    this.#texts = undefined;
    this.#after = undefined;
  }

  /** The place of the first range that does not end before an address. */
  #placeOf({ family, value }: Address): number {
    const ranges = this.#ranges[family];
    let from = 0;
    let to = ranges.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((ranges[middle]?.last ?? value) < value) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** A prefix as sources and destinations have it: one address without its length. */
export function prefixText(prefix: Prefix): string {
  const whole = ADDRESS_BITS[prefix.network.family] === prefix.bits;
  return whole ? formatAddress(prefix.network) : formatPrefix(prefix);
}

const FAMILIES: readonly Family[] = [4, 6];

/** Ranges in any order as the fewest, rising. */
function merged(family: Family, ranges: readonly Range[]): Range[] {
  const rising = ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const out: Range[] = [];
  let open: Range | undefined;
  let last = 0n;
  for (const range of [...rising, undefined]) {
    if (open !== undefined && range !== undefined && range.first <= last + 1n) {
      if (range.last > last) last = range.last;
      continue;
    }
    if (open !== undefined) out.push(open.last === last ? open : rangeOf(family, open.first, last));
    open = range;
    last = range?.last ?? last;
  }
  return out;
}

function spell(family: Family, { first, last, text }: Range): readonly string[] {
  if (first === last) return [text];
  const texts: string[] = [];
  for (let value = first; value <= last; value++) texts.push(formatAddress({ family, value }));
  return texts;
}

function rangeOf(family: Family, first: bigint, last: bigint): Range {
  return { first, last, text: formatRange(family, first, last) };
}

/** One address, a prefix when the range is one, else `a-b`. */
function formatRange(family: Family, first: bigint, last: bigint): string {
  const network = { family, value: first };
  const size = last - first + 1n;
  if (size === 1n) return formatAddress(network);
  if ((size & (size - 1n)) === 0n && first % size === 0n) {
    const bits = ADDRESS_BITS[family] - (size.toString(2).length - 1);
    return formatPrefix({ network, bits });
  }
  return `${formatAddress(network)}-${formatAddress({ family, value: last })}`;
}
