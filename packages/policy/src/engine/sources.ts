/**
 * The sources of rules as addresses. Each selector keeps the addresses of its nodes sorted, changed one
 * by one as nodes come and go; texts are made when asked for and kept until what they say changes.
 *
 * In a packet filter, addresses that follow each other are one range. The hosted service lists each, and
 * so does the spelled form.
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

/** An address with what is made of it once. */
export interface SourceAddress extends Address {
  readonly text: string;
  /** Its last 48 bits. */
  readonly low: number;
}

/** Makes it. */
export function sourceAddress(address: Address): SourceAddress {
  const low = Number(BigInt.asUintN(48, address.value));
  return { ...address, text: formatAddress(address), low };
}

/** A set of addresses, sorted by number. */
export class AddressSet {
  readonly #sorted: Record<Family, readonly SourceAddress[]>;
  #ranges: readonly string[] | undefined;

  constructor(addresses: readonly SourceAddress[] = []) {
    this.#sorted = { 4: sorted(addresses, 4), 6: sorted(addresses, 6) };
  }

  add(address: SourceAddress): void {
    const all = this.#sorted[address.family];
    const at = placeOf(all, address.value);
    if (all[at]?.value === address.value) return;
    this.#sorted[address.family] = all.toSpliced(at, 0, address);
    this.#ranges = undefined;
  }

  remove({ family, value }: Address): void {
    const all = this.#sorted[family];
    const at = placeOf(all, value);
    if (all[at]?.value !== value) return;
    this.#sorted[family] = all.toSpliced(at, 1);
    this.#ranges = undefined;
  }

  get size(): number {
    return this.#sorted[4].length + this.#sorted[6].length;
  }

  has({ family, value }: Address): boolean {
    const all = this.#sorted[family];
    return all[placeOf(all, value)]?.value === value;
  }

  /** The addresses of a family, rising. */
  of(family: Family): readonly SourceAddress[] {
    return this.#sorted[family];
  }

  /** As the fewest texts. Kept until the set changes. */
  ranges(): readonly string[] {
    this.#ranges ??= [...rangesOf(4, this.of(4)), ...rangesOf(6, this.of(6))];
    return this.#ranges;
  }
}

/** How many times larger than the others a set must be for its texts to be taken as they are. */
const DOMINANT = 8;

/** All addresses of several sets as few texts: the fewest, but for what little others add to a large set. */
export function joinedRanges(sets: readonly AddressSet[]): readonly string[] {
  const [largest, ...others] = sets.toSorted((a, b) => b.size - a.size);
  if (largest === undefined) return [];
  if (others.every(({ size }) => size === 0)) return largest.ranges();
  const size = others.reduce((sum, other) => sum + other.size, 0);
  if (size * DOMINANT > largest.size) {
    return [...rangesOf(4, joined(sets, 4)), ...rangesOf(6, joined(sets, 6))];
  }
  const added = (family: Family): readonly string[] =>
    rangesOf(
      family,
      joined(others, family).filter((address) => !largest.has(address)),
    );
  return largest.ranges().concat(added(4), added(6));
}

/** All addresses of several sets, each by itself. */
export function spelledAddresses(sets: readonly AddressSet[]): readonly string[] {
  return [...joined(sets, 4), ...joined(sets, 6)].map(({ text }) => text);
}

/** A prefix as sources and destinations have it: one address without its length. */
export function prefixText(prefix: Prefix): string {
  const whole = ADDRESS_BITS[prefix.network.family] === prefix.bits;
  return whole ? formatAddress(prefix.network) : formatPrefix(prefix);
}

function sorted(addresses: readonly SourceAddress[], family: Family): readonly SourceAddress[] {
  return addresses
    .filter((address) => address.family === family)
    .toSorted((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
    .filter((address, i, all) => address.value !== all[i - 1]?.value);
}

function joined(sets: readonly AddressSet[], family: Family): readonly SourceAddress[] {
  const lists = sets.map((set) => set.of(family)).filter((list) => list.length > 0);
  return lists.length === 0 ? [] : lists.reduce(merged);
}

/** Two rising lists as one, without what is in both twice. */
function merged(
  a: readonly SourceAddress[],
  b: readonly SourceAddress[],
): readonly SourceAddress[] {
  const out: SourceAddress[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const left = a[i];
    const right = b[j];
    if (left === undefined) return [...out, ...b.slice(j)];
    if (right === undefined) return [...out, ...a.slice(i)];
    out.push(right.value < left.value ? right : left);
    if (left.value <= right.value) i++;
    if (right.value <= left.value) j++;
  }
}

function placeOf(all: readonly SourceAddress[], wanted: bigint): number {
  let from = 0;
  let to = all.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((all[middle]?.value ?? wanted) < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}

function rangesOf(family: Family, addresses: readonly SourceAddress[]): readonly string[] {
  const out: string[] = [];
  let first: SourceAddress | undefined;
  let last: SourceAddress | undefined;
  for (const address of addresses) {
    if (last === undefined || !follows(address, last)) {
      if (first !== undefined && last !== undefined) out.push(rangeText(family, first, last));
      first = address;
    }
    last = address;
  }
  if (first !== undefined && last !== undefined) out.push(rangeText(family, first, last));
  return out;
}

/** Whether one address is the next after another. Big numbers are slow, so the small ones are asked first. */
function follows(next: SourceAddress, { low, value }: SourceAddress): boolean {
  return (next.low - low === 1 || next.low === 0) && next.value === value + 1n;
}

function rangeText(family: Family, first: SourceAddress, last: SourceAddress): string {
  return first === last ? first.text : formatRange(family, first.value, last.value);
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
