/**
 * What a route of an API is, whatever its version: one value that the server's dispatch, the OpenAPI
 * document and the typed client are made from.
 *
 * An operation's input is one flat object: the path's parameters, the query's and the body's fields,
 * whose names never collide.
 */
import type { ErrorCode } from '@malla/base/error-codes';
import { z } from 'zod';
import type { Access } from './access.ts';

type Fields = z.ZodObject;
const NONE = z.strictObject({});
type None = typeof NONE;

export interface Route<
  Params extends Fields = Fields,
  Query extends Fields = Fields,
  Body extends Fields | undefined = Fields | undefined,
  Answer extends Fields = Fields,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** From the root, with `{name}` for parameters. */
  readonly path: string;
  /** Who may call it. */
  readonly access: Access;
  /** Heading in the documentation. */
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params: Params;
  readonly query: Query;
  /** Undefined: the route takes no body. */
  readonly body: Body;
  /** Longest body where it may be longer than usual, characters. */
  readonly maxBodyLength?: number;
  readonly answer: Answer;
  /** The refusals that are this route's own, besides {@link COMMON_CODES}. */
  readonly codes: readonly ErrorCode[];
}

/** What any route may refuse with. */
export const COMMON_CODES: readonly ErrorCode[] = [
  'request.invalid',
  'request.unauthenticated',
  'request.forbidden',
  'request.too-large',
  'server.busy',
  'store.unavailable',
  'internal',
];

interface Declared<
  Params extends Fields,
  Query extends Fields,
  Body extends Fields | undefined,
  Answer extends Fields,
> extends Pick<
  Route<Params, Query, Body, Answer>,
  'tag' | 'summary' | 'access' | 'description' | 'answer' | 'maxBodyLength'
> {
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly codes?: readonly ErrorCode[];
}

type MakeRoute = <
  Answer extends Fields,
  Params extends Fields = None,
  Query extends Fields = None,
  Body extends Fields | undefined = undefined,
>(
  method: Route['method'],
  path: string,
  declared: Declared<Params, Query, Body, Answer>,
) => Route<Params, Query, Body, Answer>;

/** What makes the routes of one version of the API: their paths are below its prefix. */
export function routesBelow(prefix: string): MakeRoute {
  return (method, path, declared) => ({
    method,
    path: prefix + path,
    access: declared.access,
    tag: declared.tag,
    summary: declared.summary,
    ...(declared.description === undefined ? {} : { description: declared.description }),
    // Absent exactly where the type says None or undefined.
    params: declared.params ?? (NONE as unknown as NonNullable<typeof declared.params>),
    query: declared.query ?? (NONE as unknown as NonNullable<typeof declared.query>),
    body: declared.body as NonNullable<typeof declared.body>,
    ...(declared.maxBodyLength === undefined ? {} : { maxBodyLength: declared.maxBodyLength }),
    answer: declared.answer,
    codes: declared.codes ?? [],
  });
}

/** An answer without an end: server-sent events (WHATWG HTML §9.2). It has no fields, and no schema. */
export interface EventStreamRoute extends Pick<
  Route,
  'path' | 'access' | 'tag' | 'summary' | 'description'
> {
  readonly method: 'GET';
}

/** One version of the API. */
export interface ApiTable {
  /** Before every path, without a slash at its end. */
  readonly prefix: string;
  readonly routes: Readonly<Record<string, Route>>;
  readonly eventStreams: Readonly<Record<string, EventStreamRoute>>;
  /** What has a name of its own in documents; other schemas are written out where they are used. */
  readonly namedSchemas: Readonly<Record<string, z.ZodType>>;
}

type Merge<T> = { [K in keyof T]: T[K] };
/** Of no fields zod makes a record of nothing, which nothing can be joined with. */
type WithFields<Part> = Part extends Fields
  ? keyof Part['shape'] extends never
    ? z.ZodUnknown
    : Part
  : z.ZodUnknown;
type Input<R extends Route, Side extends 'input' | 'output'> = Merge<
  Of<R['params'], Side> & Of<R['query'], Side> & Of<R['body'], Side>
>;
type Of<Part, Side extends 'input' | 'output'> = Side extends 'input'
  ? z.input<WithFields<Part>>
  : z.output<WithFields<Part>>;

/** What a caller passes: fields with a default may be left out. */
export type RouteCall<R extends Route> = Input<R, 'input'>;
/** What a handler gets: checked, defaults filled in. */
export type RouteInput<R extends Route> = Input<R, 'output'>;
/** What a handler gives, and a call resolves to. */
export type RouteAnswer<R extends Route> = z.output<R['answer']>;
