/**
 * Whether a device satisfies a posture. An attribute that a device does not have satisfies `NOT SET`
 * and nothing else: also `!=` and `NOT IN` say something of a value that is there, so a device without
 * `custom:tier` does not match `custom:tier != 'prod'`.
 *
 * Order is that of versions between texts (`1.9.3` is before `1.10`), that of numbers between numbers;
 * between values of different types no comparison but `!=` and `NOT IN` holds. Equal is what is written
 * alike: `14` is not `14.0`.
 *
 * Source: https://tailscale.com/kb/1288/device-posture §Postures; the order of versions is that of the client's cmpver.
 */
import type { Policy, Posture, PostureCondition } from '../policy.ts';
import type { PostureAttributes } from '../subjects.ts';

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
      return condition.values.includes(actual);
    case 'NOT IN':
      return !condition.values.includes(actual);
    case '==':
      return actual === wanted;
    case '!=':
      return actual !== wanted;
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
 * Orders two versions, for `sort`: by their runs of digits as numbers and by what is between them as text,
 * from the left. What has fewer fields is before the same with more: `1.80` before `1.80.0`.
 */
export function compareVersions(a: string, b: string): number {
  const left = fieldsOf(a);
  const right = fieldsOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [text, digits] = left[i] ?? NO_FIELD;
    const [otherText, otherDigits] = right[i] ?? NO_FIELD;
    const order = compareTexts(text, otherText) || compareDigits(digits, otherDigits);
    if (order !== 0) return order;
  }
  return 0;
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

type Field = readonly [text: string, digits: string];
const NO_FIELD: Field = ['', ''];

function fieldsOf(version: string): readonly Field[] {
  return [...version.matchAll(/(\D*)0*(\d*)/g)].map(([, text = '', digits = '']) => [text, digits]);
}

/** Of digits without zeros before them. */
function compareDigits(a: string, b: string): number {
  return a.length - b.length || compareTexts(a, b);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
