/**
 * Whether a device satisfies a posture. An attribute that a device does not have satisfies `NOT SET`
 * and nothing else: also `!=` and `NOT IN` say something of a value that is there.
 *
 * Order is that of versions between texts (`1.9.3` is before `1.10`), that of numbers between numbers;
 * between values of different types no comparison but `!=` and `NOT IN` holds.
 *
 * Source: Tailscale's documentation, device posture.
 */
import type { Policy, Posture, PostureCondition } from '../policy.ts';
import type { PostureAttributes } from '../tailnet.ts';

type Value = string | number | boolean;

/** Whether the attributes satisfy one of the named postures; true when none is named, false for one that is not defined. */
export function meetsPostures(
  policy: Policy,
  names: readonly string[],
  attributes: PostureAttributes,
): boolean {
  if (names.length === 0) return true;
  return names.some((name) => {
    const posture = policy.postures.get(name);
    return posture !== undefined && satisfies(posture, attributes);
  });
}

/** Whether all conditions of a posture hold. */
export function satisfies(posture: Posture, attributes: PostureAttributes): boolean {
  return posture.conditions.every((condition) => holds(condition, attributes));
}

/** Whether one condition holds. */
export function holds(condition: PostureCondition, attributes: PostureAttributes): boolean {
  const actual = attributes.get(condition.attribute);
  if (actual === undefined) return condition.operator === 'NOT SET';
  const [wanted] = condition.values;
  switch (condition.operator) {
    case 'IS SET':
      return true;
    case 'NOT SET':
      return false;
    case 'IN':
      return condition.values.some((value) => same(actual, value));
    case 'NOT IN':
      return !condition.values.some((value) => same(actual, value));
    case '==':
      return wanted !== undefined && same(actual, wanted);
    case '!=':
      return wanted !== undefined && !same(actual, wanted);
    case '<':
      return orders(actual, wanted, (order) => order < 0);
    case '<=':
      return orders(actual, wanted, (order) => order <= 0);
    case '>':
      return orders(actual, wanted, (order) => order > 0);
    case '>=':
      return orders(actual, wanted, (order) => order >= 0);
  }
}

/**
 * Orders two versions, for `sort`: their numbers one after the other, one that is missing counting as
 * 0; a pre-release (`1.80.0-rc1`) is before its release; what follows `+` does not count.
 */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  const length = Math.max(left.release.length, right.release.length);
  for (let i = 0; i < length; i++) {
    const order = compareParts(left.release[i] ?? '0', right.release[i] ?? '0');
    if (order !== 0) return order;
  }
  if (left.pre === right.pre) return 0;
  if (left.pre === '') return 1;
  if (right.pre === '') return -1;
  return compareParts(left.pre, right.pre);
}

function orders(
  actual: Value,
  wanted: Value | undefined,
  accepts: (order: number) => boolean,
): boolean {
  if (typeof actual === 'number' && typeof wanted === 'number') return accepts(actual - wanted);
  if (typeof actual !== 'string' || wanted === undefined) return false;
  return typeof wanted !== 'boolean' && accepts(compareVersions(actual, String(wanted)));
}

/** Texts that are versions are the same when they differ only in zeros at the end: `14.0` is `14`. */
function same(actual: Value, wanted: Value): boolean {
  if (actual === wanted) return true;
  if (typeof actual !== 'string' || typeof wanted !== 'string') return false;
  return isVersion(actual) && isVersion(wanted) && compareVersions(actual, wanted) === 0;
}

function isVersion(text: string): boolean {
  return /^v?\d+(?:\.\d+)*(?:[-+][\w.+-]*)?$/.test(text);
}

function parseVersion(text: string): { readonly release: readonly string[]; readonly pre: string } {
  const [known = ''] = text.replace(/^v(?=\d)/, '').split('+');
  const dash = known.indexOf('-');
  const release = dash === -1 ? known : known.slice(0, dash);
  return { release: release.split('.'), pre: dash === -1 ? '' : known.slice(dash + 1) };
}

/** By number when both are numbers, else by text. */
function compareParts(a: string, b: string): number {
  if (/^\d{1,15}$/.test(a) && /^\d{1,15}$/.test(b)) return Number(a) - Number(b);
  return a < b ? -1 : a > b ? 1 : 0;
}
