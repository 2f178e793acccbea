/**
 * The typed client of the administrators' API: one method for each route. It has no transport of its
 * own: the CLI passes one over the unix socket or HTTPS, a browser passes fetch. What it knows of the routes
 * is in calls.json, so that a command need not load the schemas.
 */
import { MallaError } from '@malla/base/error';
import { NO_SUCH_SHAPE, readAs } from '../answer-shape.ts';
import type { CallShape, CallTable } from '../call-table.ts';
import callTable from './calls.json' with { type: 'json' };
import { errorOf } from '../refusal.ts';
import type { AnswerOf, CallInput, RouteName } from './routes.ts';

const { calls, shapes } = callTable as CallTable;

export interface ApiRequest {
  readonly method: string;
  /** Path and query, absolute: `/api/v1/node?user=ann`. */
  readonly path: string;
  /** JSON text. */
  readonly body: string | undefined;
}

export interface ApiResponse {
  readonly status: number;
  /** The whole body. */
  readonly body: string;
}

export interface Transport {
  /** Sends a request with whatever credentials it has. Its own failures (no connection) pass through. */
  readonly request: (request: ApiRequest) => Promise<ApiResponse>;
}

type Call<N extends RouteName> =
  Partial<CallInput<N>> extends CallInput<N>
    ? (input?: CallInput<N>) => Promise<AnswerOf<N>>
    : (input: CallInput<N>) => Promise<AnswerOf<N>>;

/** A method for each route. A refusal is thrown as MallaError with the server's code and detail. */
export type Client = { readonly [N in RouteName]: Call<N> };

/** Makes a client over a transport. */
export function createClient(transport: Transport): Client {
  const methods = Object.entries(calls).map(([name, shape]) => [
    name,
    (input: Readonly<Record<string, unknown>> = {}) => call(transport, shape, input),
  ]);
  return Object.fromEntries(methods) as Client;
}

async function call(
  transport: Transport,
  route: CallShape,
  input: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const response = await transport.request({
    method: route.method,
    path: pathOf(route, input),
    body: route.body === undefined ? undefined : JSON.stringify(pick(route.body, input)),
  });
  const body = parseJson(response.body);
  if (response.status < 200 || response.status > 299) throw errorOf(response.status, body);
  const answer = readAs(route.answer, body, shapes);
  if (answer !== NO_SUCH_SHAPE) return answer;
  throw new MallaError(
    'internal',
    'the server answered something this client does not understand',
    { details: { status: response.status } },
  );
}

/**
 * Parameters of path and query are strings, as their schemas say. Throws MallaError `request.invalid` for
 * one that no path can have: without text it would name another route, and `..` goes up.
 */
function pathOf(route: CallShape, input: Readonly<Record<string, unknown>>): string {
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(input[name]);
    if (value === '') throw new MallaError('request.invalid', `${name} must not be empty`);
    if (value === '.' || value === '..') {
      throw new MallaError('request.invalid', `${name} cannot be "${value}"`);
    }
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(pick(route.query, input))) {
    if (typeof value === 'string') query.set(name, value);
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

function pick(
  fields: readonly string[],
  input: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const given = fields.filter((name) => name in input);
  return Object.fromEntries(given.map((name) => [name, input[name]]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
