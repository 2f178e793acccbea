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

/** A sorted set of addresses. */
export class AddressSet {
  readonly #values: Record<Family, bigint[]> = { 4: [], 6: [] };
  #sorted = true;
  #ranges: readonly string[] | undefined;

  /** Adds what may be many, in any order; sorted when first asked. */
  load(addresses: Iterable<Address>): void {
    for (const { family, value } of addresses) this.#values[family].push(value);
    this.#sorted = false;
    this.#ranges = undefined;
  }

  add({ family, value }: Address): void {
    const values = this.values(family);
    const at = place(values, value);
    if (values[at] === value) return;
    values.splice(at, 0, value);
    this.#ranges = undefined;
  }

  remove({ family, value }: Address): void {
    const values = this.values(family);
    const at = place(values, value);
    if (values[at] !== value) return;
    values.splice(at, 1);
    this.#ranges = undefined;
  }

  /** The addresses of a family, rising. Not a copy. */
  values(family: Family): bigint[] {
    if (!this.#sorted) {
      for (const each of [4, 6] as const) this.#values[each] = sorted(this.#values[each]);
      this.#sorted = true;
    }
    return this.#values[family];
  }

  /** As the fewest texts. Kept until the set changes. */
  ranges(): readonly string[] {
    this.#ranges ??= [...rangesOf(4, this.values(4)), ...rangesOf(6, this.values(6))];
    return this.#ranges;
  }
}

/** All addresses of several sets, as the fewest texts. */
export function joinedRanges(sets: readonly AddressSet[]): readonly string[] {
  const [only] = sets;
  if (only === undefined) return [];
  if (sets.length === 1) return only.ranges();
  const join = (family: Family): bigint[] => sorted(sets.flatMap((set) => set.values(family)));
  return [...rangesOf(4, join(4)), ...rangesOf(6, join(6))];
}

/** All addresses of several sets, each by itself. */
export function spelledAddresses(sets: readonly AddressSet[]): readonly string[] {
  const spell = (family: Family): string[] =>
    sorted(sets.flatMap((set) => set.values(family))).map((value) =>
      formatAddress({ family, value }),
    );
  return [...spell(4), ...spell(6)];
}

/** A prefix as sources and destinations have it: one address without its length. */
export function prefixText(prefix: Prefix): string {
  const whole = ADDRESS_BITS[prefix.network.family] === prefix.bits;
  return whole ? formatAddress(prefix.network) : formatPrefix(prefix);
}

function sorted(values: readonly bigint[]): bigint[] {
  return distinct(values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
}

function distinct(values: readonly bigint[]): bigint[] {
  return values.filter((value, i) => i === 0 || value !== values[i - 1]);
}

function place(values: readonly bigint[], wanted: bigint): number {
  let from = 0;
  let to = values.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((values[middle] ?? wanted) < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}

function rangesOf(family: Family, values: readonly bigint[]): readonly string[] {
  const out: string[] = [];
  for (let i = 0; i < values.length;) {
    const first = values[i] ?? 0n;
    let last = first;
    for (i++; values[i] === last + 1n; i++) last += 1n;
    out.push(formatRange(family, first, last));
  }
  return out;
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
