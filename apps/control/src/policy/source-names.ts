/**
 * The sources of a packet filter as people know them. Filters have addresses, prefixes and ranges; where
 * such a range is nothing but addresses of nodes it becomes their names.
 */
import { type Address, type Family, parseAddress } from '@malla/ip/address';
import { lastAddress, parsePrefix } from '@malla/ip/prefix';
import type { PolicyNode } from '@malla/policy/tailnet';

/** What `*` is called. */
export const ANYONE = 'anyone';

interface Held {
  readonly address: bigint;
  readonly name: string;
}

export class SourceNames {
  /** By rising address. */
  readonly #held: Readonly<Record<Family, Held[]>> = { 4: [], 6: [] };

  constructor(nodes: Iterable<PolicyNode>, nameOf: (id: number) => string) {
    for (const { id, addresses } of nodes) {
      const name = nameOf(id);
      for (const { family, value } of addresses) this.#held[family].push({ address: value, name });
    }
    for (const list of Object.values(this.#held)) {
      list.sort((a, b) => (a.address < b.address ? -1 : 1));
    }
  }

  /** `*`, an address, a prefix or a range, as a filter rule has it. */
  namesOf(text: string): readonly string[] {
    if (text === '*') return [ANYONE];
    const range = rangeOf(text);
    if (range === undefined) return [text];
    const [first, last] = range;
    const held = this.#held[first.family];
    const start = firstNotBelow(held, first.value);
    const size = last.value - first.value + 1n;
    if (size > BigInt(held.length - start)) return [text];
    const inside = held.slice(start, start + Number(size));
    return inside.at(-1)?.address === last.value ? inside.map(({ name }) => name) : [text];
  }
}

/** First and last address. */
function rangeOf(text: string): readonly [Address, Address] | undefined {
  if (text.includes('/')) {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value.network, lastAddress(prefix.value)] : undefined;
  }
  const [from = '', to = from] = text.split('-');
  const [first, last] = [parseAddress(from), parseAddress(to)];
  return first.ok && last.ok ? [first.value, last.value] : undefined;
}

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
