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

/**
 * Takes the steps in order. Undefined if more than `limit` prefixes are left: taking one address out of ::/0
 * leaves 128.
 */
export function applySteps(steps: readonly Step[], limit: number): readonly Prefix[] | undefined {
  const out: Prefix[] = [];
  for (const family of [4, 6] as const) {
    const own = steps.filter(({ prefix }) => prefix.network.family === family);
    for (const run of runsOf(own)) {
      addPrefixes(out, family, run, limit);
      if (out.length > limit) return undefined;
    }
  }
  return out;
}

interface Run {
  readonly from: bigint;
  /** Excluded. */
  readonly to: bigint;
}

/** The addresses that are left, of steps of one family. */
function runsOf(steps: readonly Step[]): readonly Run[] {
  const ends = steps.map(({ prefix }) => ({
    from: prefix.network.value,
    to: lastAddress(prefix).value + 1n,
  }));
  const edges = ends
    .flatMap(({ from, to }) => [from, to])
    .toSorted(compare)
    .filter((edge, i, all) => edge !== all[i - 1]);
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
    const last = indexOf(edges, to);
    for (let at = undecidedFrom(indexOf(edges, from)); at < last; at = undecidedFrom(at)) {
      decided[at] = step.add;
      next[at] = at + 1;
    }
  }
  return joinRuns(edges, decided);
}

/** Neighbouring pieces of the set as one. */
function joinRuns(
  edges: readonly bigint[],
  decided: readonly (boolean | undefined)[],
): readonly Run[] {
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

/** Adds the fewest prefixes of a run, up to one beyond the limit. */
function addPrefixes(out: Prefix[], family: Family, { from, to }: Run, limit: number): void {
  const width = ADDRESS_BITS[family];
  for (let at = from; at < to && out.length <= limit;) {
    // A prefix is as long as where it begins and where the run ends allow.
    const aligned = at === 0n ? width : bitLength(at & -at) - 1;
    const hostBits = Math.min(aligned, bitLength(to - at) - 1);
    out.push(prefixOf({ family, value: at }, width - hostBits));
    at += 1n << BigInt(hostBits);
  }
}

function bitLength(value: bigint): number {
  return value.toString(2).length;
}

/** Where an edge is in the order. Not a Map: engines hash big integers by their low bits, which addresses share. */
function indexOf(edges: readonly bigint[], edge: bigint): number {
  let low = 0;
  let high = edges.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] ?? edge) < edge) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
