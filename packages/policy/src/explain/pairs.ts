/**
 * The pairs of ends that a question is about. Devices that the policy treats alike are looked at once,
 * and what fares alike is told once.
 */
import type { Explainable } from '../contract.ts';
import { type End, isPresent } from './ends.ts';

/** How many pairs one question may look at. */
const MAX_PAIRS = 1000;

export interface Pair {
  readonly source: End;
  readonly destination: End;
}

/** One end for each class of devices; what is no device, or only some of a device's addresses, stays. */
export function representatives(engine: Explainable, ends: readonly End[]): readonly End[] {
  const seen = new Set<string>();
  return ends.filter((end) => {
    if (!isPresent(end) || end.addresses.length < end.node.addresses.length) return true;
    const key = engine.classOf(end.node.id);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** All pairs up to a bound, and how many there are beyond it. */
export function pairs(
  sources: readonly End[],
  destinationsOf: (source: End) => readonly End[],
): { readonly pairs: readonly Pair[]; readonly unexamined: number } {
  const found: Pair[] = [];
  let all = 0;
  for (const source of sources) {
    const destinations = destinationsOf(source);
    all += destinations.length;
    for (const destination of destinations.slice(0, MAX_PAIRS - found.length)) {
      found.push({ source, destination });
    }
  }
  return { pairs: found, unexamined: all - found.length };
}

/** Joins findings that differ only in the pair: the first stands for all. */
export function merged<T extends { readonly flows: number }>(
  findings: readonly T[],
  keyOf: (finding: T) => string,
): readonly T[] {
  const byKey = new Map<string, T>();
  for (const finding of findings) {
    const key = keyOf(finding);
    const first = byKey.get(key);
    byKey.set(
      key,
      first === undefined ? finding : { ...first, flows: first.flows + finding.flows },
    );
  }
  return [...byKey.values()];
}
