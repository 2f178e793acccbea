/**
 * The sources of a packet filter as people know them. Filters have addresses, prefixes and ranges; these
 * become the names of the devices in them, and what is no device stays as it is written.
 */
import { cached } from '@malla/base/cached';
import { type Address, type Family, parseAddress } from '@malla/ip/address';
import {
  containsPrefix,
  formatPrefix,
  lastAddress,
  parsePrefix,
  singlePrefix,
} from '@malla/ip/prefix';
import { CGNAT, EXIT_ROUTES, TAILNET_ULA } from '@malla/ip/special';
import { without } from '@malla/policy/internet';
import type { PolicyNode } from '@malla/policy/subjects';

/** What all addresses there are is called. */
export const ANYONE = 'anyone';

/** What all addresses but those of the tailnet are called. */
const OUTSIDERS = 'anyone outside the tailnet';
/** As a filter spells them. */
const OUTSIDE_TEXTS: ReadonlySet<string> = new Set(
  EXIT_ROUTES.flatMap((whole) => without(whole, [CGNAT, TAILNET_ULA])).map(formatPrefix),
);

/** Names and texts, without an order. */
export type NameSet = ReadonlySet<string>;

export interface Delta {
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

interface Held {
  readonly address: bigint;
  readonly name: string;
}

/** What is asked again and again is worked out once: rules share their sources, and nodes their rules. */
export class SourceNames {
  /** By rising address. */
  readonly #held: Readonly<Record<Family, Held[]>> = { 4: [], 6: [] };
  readonly #everything: NameSet;
  readonly #sets = new WeakMap<readonly string[], Map<Family | undefined, NameSet>>();
  readonly #unions = new WeakMap<NameSet, WeakMap<NameSet, NameSet>>();
  readonly #deltas = new WeakMap<NameSet, WeakMap<NameSet, Delta>>();

  constructor(nodes: Iterable<PolicyNode>, nameOf: (id: number) => string) {
    const everything = new Set([OUTSIDERS]);
    for (const { id, addresses, routes } of nodes) {
      const name = nameOf(id);
      everything.add(name);
      for (const route of routes) everything.add(formatPrefix(route));
      for (const { family, value } of addresses) this.#held[family].push({ address: value, name });
    }
    for (const list of Object.values(this.#held)) {
      list.sort((a, b) => (a.address < b.address ? -1 : 1));
    }
    this.#everything = everything;
  }

  /** What the sources of a rule mean, of one family of addresses or of both: `*`, addresses, prefixes and ranges. */
  of(sources: readonly string[], family?: Family): NameSet {
    const byFamily = cached(this.#sets, sources, () => new Map<Family | undefined, NameSet>());
    const known = byFamily.get(family);
    if (known !== undefined) return known;
    const made = this.#setOf(sources, family);
    byFamily.set(family, made);
    return made;
  }

  #setOf(sources: readonly string[], family: Family | undefined): NameSet {
    const isOutside = OUTSIDE_TEXTS.isSubsetOf(new Set(sources));
    const names = new Set(isOutside ? [OUTSIDERS] : []);
    const empty: string[] = [];
    for (const text of sources) {
      if (isOutside && OUTSIDE_TEXTS.has(text)) continue;
      this.#add(text, family, names, empty);
    }
    // Of the tailnet's own ranges, as `*` has several, those without a device are nothing beside others.
    return names.size === 0 ? new Set(empty) : names;
  }

  /** Names of what is everything in one word. */
  shorten(all: readonly string[]): readonly string[] {
    if (!all.includes(OUTSIDERS)) return all;
    return this.#everything.isSubsetOf(new Set(all)) ? [ANYONE] : all;
  }

  /** What either means. */
  union(a: NameSet | undefined, b: NameSet): NameSet {
    if (a === undefined || a === b) return b;
    const known = cached(this.#unions, a, () => new WeakMap<NameSet, NameSet>());
    return cached(known, b, () => a.union(b));
  }

  /** How one differs from the one before. */
  delta(before: NameSet, after: NameSet): Delta {
    if (before === after) return NO_DELTA;
    const known = cached(this.#deltas, before, () => new WeakMap<NameSet, Delta>());
    return cached(known, after, () => deltaOf(before, after));
  }

  #add(text: string, family: Family | undefined, names: Set<string>, empty: string[]): void {
    const range = rangeOf(text);
    if (text === '*' || range === undefined) {
      for (const name of text === '*' ? this.#everything : [text]) names.add(name);
      return;
    }
    const [first, last] = range;
    if (family !== undefined && first.family !== family) return;
    const held = this.#held[first.family];
    const start = firstNotBelow(held, first.value);
    const inside = held.slice(start, firstNotBelow(held, last.value + 1n));
    for (const { name } of inside) names.add(name);
    if (BigInt(inside.length) === last.value - first.value + 1n) return;
    // Nobody but devices has an address of the tailnet.
    if (!isOfTailnet(range)) names.add(text);
    else if (inside.length === 0) empty.push(text);
  }
}

/** What is in one and not in the other. */
export function deltaOf(before: NameSet, after: NameSet): Delta {
  return { gained: [...after.difference(before)], lost: [...before.difference(after)] };
}

const NO_DELTA: Delta = { gained: [], lost: [] };

type Range = readonly [first: Address, last: Address];

function rangeOf(text: string): Range | undefined {
  if (text.includes('/')) {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value.network, lastAddress(prefix.value)] : undefined;
  }
  const [from = '', to = from] = text.split('-');
  const [first, last] = [parseAddress(from), parseAddress(to)];
  return first.ok && last.ok ? [first.value, last.value] : undefined;
}

function isOfTailnet(range: Range): boolean {
  return [CGNAT, TAILNET_ULA].some((whole) =>
    range.every((address) => containsPrefix(whole, singlePrefix(address))),
  );
}

/** The place of the first address that is not lower. */
function firstNotBelow(held: readonly Held[], address: bigint): number {
  let low = 0;
  let high = held.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((held[middle]?.address ?? 0n) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
