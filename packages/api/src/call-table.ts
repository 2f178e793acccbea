/**
 * The route table without its schemas, for clients: where each field of a call goes, and what the answer
 * looks like. `scripts/generate-api-calls.ts` writes it to calls.json; a test holds that it is current.
 */
import type { z } from 'zod';
import type { Shape } from './answer-shape.ts';
import type { ApiTable } from './route.ts';

/** How a call is made. */
export interface CallShape {
  readonly method: string;
  /** With `{name}` for parameters. */
  readonly path: string;
  /** Names of fields. */
  readonly query: readonly string[];
  /** Absent: there is no body. */
  readonly body?: readonly string[];
  readonly answer: Shape;
}

export interface CallTable {
  readonly shapes: { readonly [name: string]: Shape };
  readonly calls: { readonly [route: string]: CallShape };
}

type Schema = z.core.$ZodType;
type Names = ReadonlyMap<Schema, string>;

/** Makes the table from the routes of an API. */
export function makeCallTable({ routes, namedSchemas }: ApiTable): CallTable {
  const named: Names = new Map(
    Object.entries(namedSchemas).map(([name, schema]) => [schema as Schema, name]),
  );
  const calls: Record<string, CallShape> = {};
  for (const [name, { method, path, query, body, answer }] of Object.entries(routes)) {
    calls[name] = {
      method,
      path,
      query: Object.keys(query.shape),
      ...(body === undefined ? {} : { body: Object.keys(body.shape) }),
      answer: shapeOf(named, answer),
    };
  }
  const shapes = Object.fromEntries(
    [...named].map(([schema, name]) => [name, outline(named, schema)]),
  );
  return { shapes, calls };
}

function shapeOf(named: Names, schema: Schema): Shape {
  const name = named.get(schema);
  return name === undefined ? outline(named, schema) : { ref: name };
}

/** Throws for a kind of schema that no answer has. */
function outline(named: Names, schema: Schema): Shape {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'string' || def.type === 'enum') return 'text';
  if (def.type === 'number' || def.type === 'boolean') return def.type;
  if (def.type === 'unknown') return 'anything';
  if (def.type === 'readonly') return shapeOf(named, def.innerType);
  if (def.type === 'nullable') return { nullable: shapeOf(named, def.innerType) };
  if (def.type === 'array') return { list: shapeOf(named, def.element) };
  if (def.type === 'record') return { record: shapeOf(named, def.valueType) };
  if (def.type !== 'object') throw new RangeError(`an answer with ${def.type} in it`);
  const members: Record<string, Shape> = {};
  const optional: Record<string, Shape> = {};
  for (const [name, member] of Object.entries(def.shape)) {
    const inner = (member as z.core.$ZodTypes)._zod.def;
    if (inner.type === 'optional') optional[name] = shapeOf(named, inner.innerType);
    else members[name] = shapeOf(named, member);
  }
  return Object.keys(optional).length === 0 ? { members } : { members, optional };
}
