/**
 * The known key that an unknown one resembles: near enough to be a slip of the hand, so that it is refused,
 * or only near enough to be asked about.
 */
import { editDistance } from '@malla/base/edit-distance';

/** Longer texts are no misspelled keys; comparing them would only cost time. */
const MAX_LENGTH = 80;
/** Letters of a part for each one that may be wrong; a shorter part may have one wrong. */
const LETTERS_PER_MISTAKE = 3;
const MOST_MISTAKES = 4;
/** Letters that a hand slips by; what differs by more may be a word that means nothing to anybody. */
const SLIP = 2;

/**
 * The one of `names` that a dotted key most likely means: each part is spelled almost as there, or the
 * last is the beginning of it (`tls_cert`).
 */
export function misspelledKey<Name extends string>(
  key: string,
  names: readonly Name[],
): Name | undefined {
  if (key.length > MAX_LENGTH) return undefined;
  const parts = key.split('.');
  let best: Name | undefined;
  let fewest = Infinity;
  for (const name of names) {
    const mistakes = mistakesIn(parts, name.split('.'));
    if (mistakes < fewest) [best, fewest] = [name, mistakes];
  }
  return best;
}

/** Whether the other key was meant and one or two letters went wrong; dots, `_` and `-` are none. */
export function isSlip(key: string, meant: string): boolean {
  return key.length <= MAX_LENGTH && editDistance(joinedKey(key), joinedKey(meant)) <= SLIP;
}

/** How many letters of a dotted key are wrong if the other is meant; infinite if that is unlikely. */
function mistakesIn(parts: readonly string[], meant: readonly string[]): number {
  if (parts.length !== meant.length) return Infinity;
  let mistakes = 0;
  for (const [i, part] of parts.entries()) {
    const other = meant[i] ?? '';
    if (part === other) continue;
    const isLast = i === parts.length - 1;
    const isBeginning = isLast && part.length > 2 && other.startsWith(`${part}_`);
    const wrong = isBeginning ? 1 : editDistance(joined(part), joined(other));
    const allowed = Math.max(1, Math.floor(part.length / LETTERS_PER_MISTAKE));
    if (wrong > Math.min(allowed, MOST_MISTAKES)) return Infinity;
    mistakes += Math.max(wrong, 1);
  }
  return mistakes;
}

/** `server-url`, `serverurl` and `server_url` are the same word. */
function joined(part: string): string {
  return part.replaceAll(/[-_]/g, '');
}

/**
 * The one of `names` that a dotted key means if it stands in the wrong section (`base_domain`), or has
 * underscores for dots (`dns_base_domain`); undefined where several sections have such a key.
 */
export function misplacedKey<Name extends string>(
  key: string,
  names: readonly Name[],
): Name | undefined {
  const own = lastPart(key);
  const alike = names.filter(
    (name) => lastPart(name) === own || joinedKey(name) === joinedKey(key),
  );
  return alike.length === 1 ? alike[0] : undefined;
}

function joinedKey(key: string): string {
  return joined(key.replaceAll('.', '_'));
}

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
  return editDistance(lastPart(a), lastPart(b));
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}
