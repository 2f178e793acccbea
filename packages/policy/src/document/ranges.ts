/**
 * Sets of addresses made by steps that add and remove prefixes: the last step that covers an address
 * decides. The result is the fewest prefixes that hold the same addresses, in order.
 *
 * The steps' edges cut each family into pieces; going from the last step to the first, each step decides
 * the pieces that no later one has. Time is that of sorting, whatever the steps.
 */
import { ADDRESS_BITS, type Family } from '@malla/ip/address';
import { lastAddress, type Prefix, prefixOf } from '@malla/ip/prefix';

/** Adds or removes all addresses of a prefix. */
export interface Step {
  readonly add: boolean;
  readonly prefix: Prefix;
}

/** Takes the steps in order. */
export function applySteps(steps: readonly Step[]): readonly Prefix[] {
  return ([4, 6] as const).flatMap((family) =>
    applyToFamily(
      family,
      steps.filter(({ prefix }) => prefix.network.family === family),
    ),
  );
}

function applyToFamily(family: Family, steps: readonly Step[]): readonly Prefix[] {
  const ends = steps.map(({ prefix }) => ({
    from: prefix.network.value,
    to: lastAddress(prefix).value + 1n,
  }));
  const edges = [...new Set(ends.flatMap(({ from, to }) => [from, to]))].toSorted(compare);
  const indexOf = new Map(edges.map((edge, i) => [edge, i]));
  /** Of each piece whether it is in the set; undefined as long as no step has decided. */
  const decided: (boolean | undefined)[] = Array.from({ length: edges.length });
  /** From each piece the way to the next undecided one. */
  const next = edges.map((_, i) => i);
  const undecidedFrom = (start: number): number => {
    let end = start;
    while (next[end] !== end && end < edges.length) end = next[end] ?? edges.length;
    for (let i = start; i !== end;) {
      const following = next[i] ?? end;
      next[i] = end;
      i = following;
    }
    return end;
  };
  for (const [i, step] of [...steps.entries()].toReversed()) {
    const { from = 0n, to = 0n } = ends[i] ?? {};
    const last = indexOf.get(to) ?? 0;
    for (let at = undecidedFrom(indexOf.get(from) ?? 0); at < last; at = undecidedFrom(at)) {
      decided[at] = step.add;
      next[at] = at + 1;
    }
  }
  return runs(edges, decided).flatMap(({ from, to }) => prefixesOf(family, from, to));
}

interface Run {
  readonly from: bigint;
  /** Excluded. */
  readonly to: bigint;
}

/** Neighbouring pieces of the set as one. */
function runs(edges: readonly bigint[], decided: readonly (boolean | undefined)[]): readonly Run[] {
  const out: Run[] = [];
  let from: bigint | undefined;
  for (const [i, edge] of edges.entries()) {
    const inside = decided[i] === true;
    if (inside && from === undefined) from = edge;
    if (inside || from === undefined) continue;
    out.push({ from, to: edge });
    from = undefined;
  }
  return out;
}

/** The fewest prefixes from one address to before another. */
function prefixesOf(family: Family, start: bigint, to: bigint): readonly Prefix[] {
  const width = ADDRESS_BITS[family];
  const out: Prefix[] = [];
  for (let from = start; from < to;) {
    let size = 0;
    while (size < width && fits(from, to, size + 1)) size++;
    out.push(prefixOf({ family, value: from }, width - size));
    from += 1n << BigInt(size);
  }
  return out;
}

/** Whether a prefix of 2^size addresses can begin here and end in time. */
function fits(from: bigint, to: bigint, size: number): boolean {
  const count = 1n << BigInt(size);
  return from % count === 0n && from + count <= to;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
