/**
 * What to say of a key that is not known. headscale skips such keys, so a file may hold some that meant
 * nothing to anybody; but one that is a letter or two from a known key is a slip of the hand, and skipping it
 * would leave undone what was asked for.
 */
import { REMOVED_NAMES } from './keys/removed.ts';
import { KEY_NAMES, keyOf, SECTION_NAMES } from './keys/table.ts';
import { isSlip, misplacedKey, misspelledKey, nearestKey } from './nearest.ts';

const KEYS_OF_ALL_TIMES: readonly string[] = [...KEY_NAMES, ...REMOVED_NAMES];

/** Keys that do something: a `port` at the top is not the one of a database that malla cannot use. */
const EFFECTIVE = KEY_NAMES.filter((name) => {
  const { unused, only, refused } = keyOf(name);
  return (unused ?? only ?? refused) === undefined;
});

export interface UnknownKey {
  /** So near to a known one that it is refused. */
  readonly isMisspelled: boolean;
  readonly message: string;
}

/** `key` is dotted; `isSection`: it holds other keys. */
export function describeUnknown(key: string, isSection: boolean): UnknownKey {
  // The usual way to keep a place for YAML's anchors.
  if (key.startsWith('x-')) return { isMisspelled: false, message: 'not a key, ignored' };
  const meant = isSection
    ? (misspelledKey(key, SECTION_NAMES) ?? misplacedKey(key, SECTION_NAMES))
    : (misspelledKey(key, KEYS_OF_ALL_TIMES) ?? misplacedKey(key, EFFECTIVE));
  const what = isSection ? 'section' : 'key';
  if (meant !== undefined) {
    return isSlip(key, meant)
      ? { isMisspelled: true, message: `unknown key, did you mean ${meant}?` }
      : { isMisspelled: false, message: `unknown ${what}, ignored: did you mean ${meant}?` };
  }
  const near = nearestKey(key, isSection ? SECTION_NAMES : KEYS_OF_ALL_TIMES);
  const hint = near === undefined ? '' : `; ${near} is the nearest that is known`;
  return {
    isMisspelled: false,
    message: `unknown ${what}, ignored${hint}`,
  };
}
