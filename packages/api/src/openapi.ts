/** The OpenAPI 3.1 document of the administrators' API, generated from the route table. */
import type { ErrorCode } from '@malla/base/error-codes';
import { z } from 'zod';
import { Problem, PROBLEM_TYPE } from './problem.ts';
import { COMMON_CODES, type Route, routeNames, routes } from './routes.ts';
import * as dnsSchemas from './dns-schemas.ts';
import * as policySchemas from './policy-schemas.ts';
import * as schemas from './schemas.ts';
import { STATUS_OF } from './status.ts';

type Json = { readonly [key: string]: unknown };

/** Schemas with a name of their own in the document; all others are written where they are used. */
const NAMED = {
  User: schemas.User,
  PreAuthKey: schemas.PreAuthKey,
  ApiKey: schemas.ApiKey,
  Node: schemas.Node,
  AuditEntry: schemas.AuditEntry,
  DnsRecord: dnsSchemas.DnsRecord,
  PolicyVersion: policySchemas.PolicyVersion,
  PolicyProblem: policySchemas.PolicyProblem,
  PolicyChange: policySchemas.PolicyChange,
  Problem,
} as const;

/** The document, as JSON values. `version` is the server's. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const name of routeNames) {
    const route: Route = routes[name];
    const operations = (paths[route.path] ??= {});
    operations[route.method.toLowerCase()] = operation(name, route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'malla',
      version,
      description:
        'The administrators’ API. Every error is a problem document (RFC 9457) with a stable `code`. For programs written for headscale’s releases, fields may stand in the query or in the body, be named in camelCase or snake_case, and ids be text or numbers; what means nothing is ignored.',
    },
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, `hskey-api-…`. The unix socket asks for none.',
        },
      },
      schemas: namedSchemas(),
    },
  };
}

/** The status codes that a route may answer with, apart from 200. */
export function statusesOf(route: Route): ReadonlyMap<number, readonly ErrorCode[]> {
  const statuses = new Map<number, ErrorCode[]>();
  for (const code of [...route.codes, ...COMMON_CODES]) {
    const status = STATUS_OF[code];
    const codes = statuses.get(status);
    if (codes === undefined) statuses.set(status, [code]);
    else codes.push(code);
  }
  return statuses;
}

function operation(operationId: string, route: Route): Json {
  const responses: Record<string, Json> = {
    '200': { description: 'Done', content: jsonContent(route.answer, 'output') },
  };
  const statuses = [...statusesOf(route)].toSorted(([a], [b]) => a - b);
  for (const [status, codes] of statuses) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\``).join(', '),
      content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return {
    operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    parameters: [...parameters('path', route.params), ...parameters('query', route.query)],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: jsonContent(route.body, 'input'),
          },
        }),
    responses,
  };
}

function parameters(where: 'path' | 'query', fields: Route['params']): Json[] {
  return Object.entries(fields.shape).map(([name, schema]) => ({
    name,
    in: where,
    required: where === 'path' || !z.safeParse(schema, undefined).success,
    schema: jsonSchema(schema, 'input'),
  }));
}

function jsonContent(schema: z.core.$ZodType, io: 'input' | 'output'): Json {
  return { 'application/json': { schema: jsonSchema(schema, io) } };
}

/** Replaces named schemas inside by references. */
function jsonSchema(schema: z.core.$ZodType, io: 'input' | 'output'): unknown {
  const registry = z.registry<{ id: string }>();
  for (const [id, named] of Object.entries(NAMED)) registry.add(named, { id });
  const wrapped = z.object({ here: schema });
  registry.add(wrapped, { id: 'wrapper' });
  const made = z.toJSONSchema(registry, { io, uri: reference, override: withoutPatternOfTimes });
  return made.schemas['wrapper']?.properties?.['here'];
}

function namedSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, { uri: reference, override: withoutPatternOfTimes });
  return Object.fromEntries(
    Object.entries(made.schemas).map(([id, schema]) => {
      const { $schema: _schema, $id: _id, ...rest } = schema;
      return [id, rest];
    }),
  );
}

function reference(id: string): string {
  return `#/components/schemas/${id}`;
}

/** `format: date-time` says it; the pattern is long and unreadable. */
function withoutPatternOfTimes(context: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (context.jsonSchema.format === 'date-time') delete context.jsonSchema.pattern;
}
