/**
 * The route table without its schemas, for clients: where each field of a call goes, and what the answer
 * looks like. `scripts/generate-api-calls.ts` writes it to calls.json; a test holds that it is current.
 */
import type { z } from 'zod';
import type { Shape } from './answer-shape.ts';
import * as dnsSchemas from './dns-schemas.ts';
import * as policySchemas from './policy-schemas.ts';
import { type Route, routeNames, routes } from './routes.ts';
import * as schemas from './schemas.ts';

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

/** Written once. */
const NAMED: ReadonlyMap<z.core.$ZodType, string> = new Map<z.core.$ZodType, string>([
  [schemas.User, 'User'],
  [schemas.PreAuthKey, 'PreAuthKey'],
  [schemas.ApiKey, 'ApiKey'],
  [schemas.Node, 'Node'],
  [schemas.AuditEntry, 'AuditEntry'],
  [dnsSchemas.DnsRecord, 'DnsRecord'],
  [policySchemas.PolicyVersion, 'PolicyVersion'],
  [policySchemas.PolicyProblem, 'PolicyProblem'],
  [policySchemas.PolicyChange, 'PolicyChange'],
]);

/** Makes the table from the routes. */
export function makeCallTable(): CallTable {
  const calls: Record<string, CallShape> = {};
  for (const name of routeNames) {
    const { method, path, query, body, answer }: Route = routes[name];
    calls[name] = {
      method,
      path,
      query: Object.keys(query.shape),
      ...(body === undefined ? {} : { body: Object.keys(body.shape) }),
      answer: shapeOf(answer),
    };
  }
  const shapes = Object.fromEntries([...NAMED].map(([schema, name]) => [name, outline(schema)]));
  return { shapes, calls };
}

function shapeOf(schema: z.core.$ZodType): Shape {
  const name = NAMED.get(schema);
  return name === undefined ? outline(schema) : { ref: name };
}

/** Throws for a kind of schema that no answer has. */
function outline(schema: z.core.$ZodType): Shape {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'string' || def.type === 'enum') return 'text';
  if (def.type === 'number' || def.type === 'boolean') return def.type;
  if (def.type === 'unknown') return 'anything';
  if (def.type === 'readonly') return shapeOf(def.innerType);
  if (def.type === 'nullable') return { nullable: shapeOf(def.innerType) };
  if (def.type === 'array') return { list: shapeOf(def.element) };
  if (def.type === 'record') return { record: shapeOf(def.valueType) };
  if (def.type !== 'object') throw new RangeError(`an answer with ${def.type} in it`);
  const members: Record<string, Shape> = {};
  const optional: Record<string, Shape> = {};
  for (const [name, member] of Object.entries(def.shape)) {
    const inner = (member as z.core.$ZodTypes)._zod.def;
    if (inner.type === 'optional') optional[name] = shapeOf(inner.innerType);
    else members[name] = shapeOf(member);
  }
  return Object.keys(optional).length === 0 ? { members } : { members, optional };
}
