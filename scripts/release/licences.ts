/**
 * Which licences the packages may have that malla ships: those that ask for no more than that their text comes
 * along. Anything else, and whatever is not known, is refused.
 */

/** By SPDX's names. */
export const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);

/** Says what is wrong with an SPDX expression; undefined: nothing. */
export function licenceProblem(expression: string | undefined): string | undefined {
  if (expression === undefined || expression.trim() === '') return 'names no licence';
  const words = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const any = (): boolean => {
    let allowed = all();
    while (words[at] === 'OR') {
      at++;
      allowed = all() || allowed;
    }
    return allowed;
  };
  const all = (): boolean => {
    let allowed = one();
    while (words[at] === 'AND') {
      at++;
      allowed = one() && allowed;
    }
    return allowed;
  };
  const one = (): boolean => {
    const word = words[at++];
    if (word !== '(') return PERMISSIVE.has(word ?? '');
    const allowed = any();
    return words[at++] === ')' && allowed;
  };
  return any() && at === words.length ? undefined : `is under ${expression}`;
}
