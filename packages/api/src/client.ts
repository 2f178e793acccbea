/**
 * The typed client of the administrators' API: one method for each route. It has no transport of its
 * own: the CLI passes one over the unix socket or HTTPS, a browser passes fetch.
 */
import { MallaError } from '@malla/base/error';
import { errorOf } from './problem.ts';
import {
  type AnswerOf,
  type CallInput,
  type Route,
  routeNames,
  type RouteName,
  routes,
} from './routes.ts';

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
  const calls = routeNames.map((name) => [
    name,
    (input: Readonly<Record<string, unknown>> = {}) => call(transport, routes[name], input),
  ]);
  return Object.fromEntries(calls) as Client;
}

async function call(
  transport: Transport,
  route: Route,
  input: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const response = await transport.request({
    method: route.method,
    path: pathOf(route, input),
    body: route.body === undefined ? undefined : JSON.stringify(pick(route.body, input)),
  });
  const body = parseJson(response.body);
  if (response.status < 200 || response.status > 299) throw errorOf(response.status, body);
  const answer = route.answer.safeParse(body);
  if (!answer.success) {
    throw new MallaError(
      'internal',
      'the server answered something this client does not understand',
      {
        cause: answer.error,
        details: { status: response.status },
      },
    );
  }
  return answer.data;
}

/**
 * Parameters of path and query are strings, as their schemas say. Throws MallaError `request.invalid` for
 * one that no path can have: without text it would name another route, and `..` goes up.
 */
function pathOf(route: Route, input: Readonly<Record<string, unknown>>): string {
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
  schema: NonNullable<Route['body']>,
  input: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const own = Object.keys(schema.shape).filter((name) => name in input);
  return Object.fromEntries(own.map((name) => [name, input[name]]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
