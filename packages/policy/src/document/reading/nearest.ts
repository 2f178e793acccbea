/**
 * The name that someone most likely meant: for hints beside an unknown name. Work is bounded: long names
 * and long lists are not searched.
 */
import { editDistance } from '@malla/base/edit-distance';

const MAX_NAME_CHARS = 64;
const MAX_CANDIDATES = 1_000;

/** The candidate with the fewest differing letters, if they are few; case does not count. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MAX_NAME_CHARS) return undefined;
  const wanted = name.toLowerCase();
  let best: string | undefined;
  // A third of the letters may differ, but never all of a short name.
  let limit = Math.max(1, Math.floor(name.length / 3)) + 1;
  let seen = 0;
  for (const candidate of candidates) {
    if (++seen > MAX_CANDIDATES) break;
    if (Math.abs(candidate.length - name.length) >= limit) continue;
    const differing = editDistance(wanted, candidate.toLowerCase());
    if (differing >= limit) continue;
    best = candidate;
    limit = differing;
  }
  return best;
}

/** A hint with the nearest name. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const meant = nearest(name, candidates);
  return meant === undefined ? undefined : askFor(meant);
}

/** The hint that asks whether a name was meant. */
export function askFor(meant: string): string {
  return `did you mean ${JSON.stringify(meant)}?`;
}
