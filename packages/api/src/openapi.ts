/** The OpenAPI 3.1 document of the administrators' API, generated from the route table. */
import type { ErrorCode } from '@malla/base/error-codes';
import { z } from 'zod';
import { Problem, PROBLEM_TYPE } from './problem.ts';
import { type ApiTable, COMMON_CODES, type EventStreamRoute, type Route } from './route.ts';
import { STATUS_OF } from './status.ts';

type Json = { readonly [key: string]: unknown };

type Schemas = ApiTable['namedSchemas'];

/** The document, as JSON values. `version` is the server's. */
export function openApiDocument(api: ApiTable, version: string): Json {
  const schemas: Schemas = { ...api.namedSchemas, Problem };
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries(api.routes)) {
    const operations = (paths[route.path] ??= {});
    operations[route.method.toLowerCase()] = operation(schemas, name, route);
  }
  for (const [name, stream] of Object.entries(api.eventStreams)) {
    (paths[stream.path] ??= {})[stream.method.toLowerCase()] = streamOperation(name, stream);
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
          description:
            'An API key, `hskey-api-…`, which has every right. The unix socket asks for none. What a call needs stands beside it.',
        },
      },
      schemas: namedSchemas(schemas),
    },
  };
}

/** The statuses of a route with these refusals of its own, apart from 200. */
export function statusesOf(own: readonly ErrorCode[]): ReadonlyMap<number, readonly ErrorCode[]> {
  const statuses = new Map<number, ErrorCode[]>();
  for (const code of [...own, ...COMMON_CODES]) {
    const status = STATUS_OF[code];
    const codes = statuses.get(status);
    if (codes === undefined) statuses.set(status, [code]);
    else codes.push(code);
  }
  return statuses;
}

function operation(schemas: Schemas, operationId: string, route: Route): Json {
  return {
    ...heading(operationId, route),
    parameters: [
      ...parameters(schemas, 'path', route.params),
      ...parameters(schemas, 'query', route.query),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: jsonContent(schemas, route.body, 'input'),
          },
        }),
    responses: {
      '200': { description: 'Done', content: jsonContent(schemas, route.answer, 'output') },
      ...refusals(route.codes),
    },
  };
}

function streamOperation(operationId: string, stream: EventStreamRoute): Json {
  return {
    ...heading(operationId, stream),
    responses: {
      '200': {
        description: 'Events, until either side ends it',
        content: { 'text/event-stream': { schema: { type: 'string' } } },
      },
      ...refusals([]),
    },
  };
}

function heading(
  operationId: string,
  { tag, summary, description, access }: EventStreamRoute | Route,
): Json {
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: [{ bearer: access === 'known-caller' ? [] : [access] }],
  };
}

/** By status, those of one status together. */
function refusals(own: readonly ErrorCode[]): Readonly<Record<string, Json>> {
  const statuses = [...statusesOf(own)].toSorted(([a], [b]) => a - b);
  return Object.fromEntries(
    statuses.map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\``).join(', '),
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function parameters(schemas: Schemas, where: 'path' | 'query', fields: Route['params']): Json[] {
  return Object.entries(fields.shape).map(([name, schema]) => ({
    name,
    in: where,
    required: where === 'path' || !z.safeParse(schema, undefined).success,
    schema: jsonSchema(schemas, schema, 'input'),
  }));
}

function jsonContent(schemas: Schemas, schema: z.core.$ZodType, io: 'input' | 'output'): Json {
  return { 'application/json': { schema: jsonSchema(schemas, schema, io) } };
}

/** Replaces named schemas inside by references. */
function jsonSchema(schemas: Schemas, schema: z.core.$ZodType, io: 'input' | 'output'): unknown {
  const registry = z.registry<{ id: string }>();
  for (const [id, named] of Object.entries(schemas)) registry.add(named, { id });
  const wrapped = z.object({ here: schema });
  registry.add(wrapped, { id: 'wrapper' });
  const made = z.toJSONSchema(registry, { io, uri: reference, override: withoutPatternOfTimes });
  return made.schemas['wrapper']?.properties?.['here'];
}

function namedSchemas(schemas: Schemas): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
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
