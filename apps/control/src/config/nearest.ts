/** The known key that a misspelled one most likely means. */

/** Longer texts are no misspelled keys; comparing them would only cost time. */
const MAX_LENGTH = 80;

/** The nearest of `names`, if it is near: by few edits, or the same key in another section. */
export function nearestKey<Name extends string>(
  text: string,
  names: readonly Name[],
): Name | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  let best: Name | undefined;
  let bestDistance = Infinity;
  for (const name of names) {
    const distance = Math.min(editDistance(text, name), 1 + lastPartDistance(text, name));
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return bestDistance <= Math.max(2, text.length / 4) ? best : undefined;
}

/** Compares only what follows the last dot, so that a key in a wrong section is found. */
function lastPartDistance(a: string, b: string): number {
  return editDistance(a.slice(a.lastIndexOf('.') + 1), b.slice(b.lastIndexOf('.') + 1));
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
