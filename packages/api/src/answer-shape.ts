/**
 * What an answer looks like, as data: enough to tell an answer from another program's, and to take from it
 * what this version knows. A client has it in place of the schemas, which take 80 ms and 20 MB to load; it
 * is made from them (call-table.ts) and written down in calls.json.
 */

export type Shape =
  | 'text'
  | 'number'
  | 'boolean'
  | 'anything'
  /** A shape with a name, which several answers have in them. */
  | { readonly ref: string }
  | { readonly list: Shape }
  /** Members of whatever names. */
  | { readonly record: Shape }
  | { readonly nullable: Shape }
  /** Members that are always there, and such that may be absent. */
  | { readonly members: Members; readonly optional?: Members };

type Members = { readonly [name: string]: Shape };

export const NO_SUCH_SHAPE: unique symbol = Symbol('no such shape');

/** The value without members that the shape has not, or {@link NO_SUCH_SHAPE}. */
export function readAs(shape: Shape, value: unknown, named: Members): unknown {
  if (shape === 'anything') return value;
  if (shape === 'text') return typeof value === 'string' ? value : NO_SUCH_SHAPE;
  if (typeof shape === 'string') return typeof value === shape ? value : NO_SUCH_SHAPE;
  if ('ref' in shape) return readAs(named[shape.ref] ?? 'anything', value, named);
  if ('nullable' in shape) return value === null ? null : readAs(shape.nullable, value, named);
  if ('list' in shape) {
    if (!Array.isArray(value)) return NO_SUCH_SHAPE;
    return whole(value.map((item) => readAs(shape.list, item, named)));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return NO_SUCH_SHAPE;
  if ('record' in shape) {
    const entries = Object.entries(value)
      .filter(([name]) => name !== '__proto__')
      .map(([name, member]) => [name, readAs(shape.record, member, named)] as const);
    return whole(entries.map(([, member]) => member)) === NO_SUCH_SHAPE
      ? NO_SUCH_SHAPE
      : Object.fromEntries(entries);
  }
  return readMembers(shape, value as Readonly<Record<string, unknown>>, named);
}

function readMembers(
  { members, optional = {} }: { readonly members: Members; readonly optional?: Members },
  value: Readonly<Record<string, unknown>>,
  named: Members,
): unknown {
  const read: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(members)) {
    const member = Object.hasOwn(value, name) ? readAs(shape, value[name], named) : NO_SUCH_SHAPE;
    if (member === NO_SUCH_SHAPE) return NO_SUCH_SHAPE;
    read[name] = member;
  }
  for (const [name, shape] of Object.entries(optional)) {
    if (!Object.hasOwn(value, name)) continue;
    const member = readAs(shape, value[name], named);
    if (member === NO_SUCH_SHAPE) return NO_SUCH_SHAPE;
    read[name] = member;
  }
  return read;
}

function whole(values: readonly unknown[]): unknown {
  return values.includes(NO_SUCH_SHAPE) ? NO_SUCH_SHAPE : values;
}
