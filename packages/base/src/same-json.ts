/** Whether two values of JSON say the same, which costs a tenth of making their texts. */

/** Members may stand in another order; one that is undefined is not there. Recurses as deep as both go. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => sameJson(item, b[i]));
  }
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return (
    Object.keys(other).every((name) => other[name] === undefined || Object.hasOwn(one, name)) &&
    Object.keys(one).every((name) => sameJson(one[name], own(other, name)))
  );
}

function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
