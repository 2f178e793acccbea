/**
 * Brings what clients send into the shape that a route's schemas want. Programs that were written for
 * headscale's releases rely on what its gateway let pass: a field in the query or in the body, its name in
 * camelCase or snake_case, an id as a number or as text, null for what is absent, members that mean
 * nothing. The schemas themselves stay strict, and so does our own client.
 *
 * Source: the JSON mapping of Protocol Buffers (ProtoJSON), and google.api.http's binding of queries.
 */
import { z } from 'zod';
import type { Route } from './route.ts';
import { numberLike } from './v1/schemas.ts';

export interface Sent {
  /** Every value of each name, decoded. */
  readonly query: Readonly<Record<string, readonly string[]>>;
  /** Parsed JSON; undefined: there is none. */
  readonly body: unknown;
}

export interface Bound {
  readonly query: unknown;
  /** Undefined where the route takes none. */
  readonly body: unknown;
  /** The names of what meant nothing here. */
  readonly ignored: readonly string[];
}

type Schema = z.core.$ZodType;
type Members = Readonly<Record<string, unknown>>;

/** Names told of one request, and how much of each. */
const MAX_IGNORED = 8;
const MAX_IGNORED_CHARACTERS = 64;

/** Sorts the members of query and body to the parts of the route that have them. A body's wins over a query's. */
export function bindRequest(route: Route, { query, body }: Sent): Bound {
  if (route.body !== undefined && body !== undefined && !isMembers(body)) {
    return { query: {}, body, ignored: [] };
  }
  const ignored: string[] = [];
  const shape = { ...route.query.shape, ...route.body?.shape };
  const found = {
    ...bindMembers(shape, textMembers(shape, query), ignored),
    ...bindMembers(shape, isMembers(body) ? body : {}, ignored),
  };
  return {
    query: pick(found, route.query.shape),
    body: route.body === undefined ? undefined : pick(found, route.body.shape),
    ignored,
  };
}

/** Parameters without text count as absent; only a list takes more than one. */
function textMembers(shape: Readonly<Record<string, Schema>>, query: Sent['query']): Members {
  const members: Record<string, unknown> = {};
  for (const [sent, values] of Object.entries(query)) {
    const [first] = values;
    if (first === undefined || first === '') continue;
    const schema = shape[nameIn(shape, sent) ?? ''];
    members[sent] =
      schema !== undefined && inside(schema)._zod.def.type === 'array' ? values : first;
  }
  return members;
}

/** The members by the names of the shape, each as its schema wants it. */
function bindMembers(
  shape: Readonly<Record<string, Schema>>,
  members: Members,
  ignored: string[],
): Record<string, unknown> {
  const bound: Record<string, unknown> = {};
  for (const [sent, value] of Object.entries(members)) {
    const name = nameIn(shape, sent);
    const schema = name === undefined ? undefined : shape[name];
    if (name === undefined || schema === undefined) {
      if (ignored.length < MAX_IGNORED) ignored.push(sent.slice(0, MAX_IGNORED_CHARACTERS));
    } else if (value !== null && (sent === name || !Object.hasOwn(members, name))) {
      bound[name] = bindValue(schema, value, ignored);
    }
  }
  return bound;
}

/** A value that cannot be meant is left for the schema to refuse. */
function bindValue(schema: Schema, value: unknown, ignored: string[]): unknown {
  const inner = inside(schema);
  const { def } = inner._zod;
  if (def.type === 'union') return bindUnion(def.options, value);
  if (typeof value === 'string') return bindText(def.type, value);
  if (typeof value === 'number') {
    const isText = numberLike.has(inner) && Number.isSafeInteger(value);
    return isText ? String(value) : value;
  }
  if (typeof value === 'boolean') return def.type === 'enum' ? String(value) : value;
  if (Array.isArray(value)) {
    if (def.type !== 'array') return value;
    return value.map((each) => bindValue(def.element, each, ignored));
  }
  if (!isMembers(value)) return value;
  if (def.type === 'object') return bindMembers(def.shape, value, ignored);
  if (def.type !== 'record') return value;
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    bindValue(def.valueType, each, ignored),
  ]);
  return Object.fromEntries(entries);
}

/** Numbers and switches are text in a query. */
function bindText(type: string, text: string): unknown {
  if (type === 'boolean') return BOOLEANS.get(text.toLowerCase()) ?? text;
  return type === 'number' && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** As the first kind that it can be: text before a number, an object as it is. */
function bindUnion(options: readonly Schema[], value: unknown): unknown {
  if (options.some((option) => z.safeParse(option, value).success)) return value;
  return (
    options
      .map((option) => bindValue(option, value, []))
      .find((bound, index) => z.safeParse(options[index] ?? z.never(), bound).success) ?? value
  );
}

/** Go's ParseBool, for queries. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['t', true],
  ['true', true],
  ['0', false],
  ['f', false],
  ['false', false],
]);

/** What the name is in the shape: itself, or in camelCase. */
function nameIn(shape: Readonly<Record<string, Schema>>, sent: string): string | undefined {
  if (Object.hasOwn(shape, sent)) return sent;
  const camel = sent.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(shape, camel) ? camel : undefined;
}

/** The schema without what only says that it may be absent. */
function inside(schema: Schema): z.core.$ZodTypes {
  const known = schema as z.core.$ZodTypes;
  const { def } = known._zod;
  return def.type === 'optional' || def.type === 'nullable' || def.type === 'default'
    ? inside(def.innerType)
    : known;
}

function pick(members: Members, shape: Readonly<Record<string, unknown>>): Members {
  return Object.fromEntries(Object.entries(members).filter(([name]) => Object.hasOwn(shape, name)));
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
