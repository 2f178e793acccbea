/** From an HTTP request to a route's checked input. Every fault is a MallaError `request.*`. */
import { bindRequest } from '@malla/api/binding';
import type { Route } from '@malla/api/route';
import { MallaError } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { ZERO_TIME_MS } from '@malla/base/zero-time';
import type { Context } from 'hono';

/** Longest body of most routes; the largest such, a list of 1,024 routes, has some 70 kB. */
export const MAX_BODY_CHARACTERS = 1 << 20;
/** Faults that one refusal names. */
const MAX_FAULTS = 5;

/** The input of a route: path, query and body, checked, in one object. */
export async function readInput(
  route: Route,
  context: Context,
  log: Logger,
): Promise<Record<string, unknown>> {
  const params = check(route.params, context.req.param());
  const body = await readBody(route, context);
  const bound = bindRequest(route, { query: context.req.queries(), body });
  if (bound.ignored.length > 0) {
    const { method, path } = route;
    log.debug({ method, path, fields: bound.ignored }, 'fields of a request that mean nothing');
  }
  return {
    ...params,
    ...check(route.query, bound.query),
    ...(route.body === undefined ? {} : check(route.body, bound.body)),
  };
}

/** A number that the schema of an id has let through. One too large for us is nobody's. */
export function idOf(text: string): number {
  return Number(text);
}

/** Unix ms of a time that the schema has let through. */
export function timeOf(text: string | null | undefined): number | undefined {
  return text === undefined || text === null || isZeroTime(text) ? undefined : Date.parse(text);
}

/** Whether a time is Go's word for none. */
export function isZeroTime(text: string | null | undefined): boolean {
  return typeof text === 'string' && Date.parse(text) === ZERO_TIME_MS;
}

function check(schema: Route['params'], value: unknown): Record<string, unknown> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const faults = checked.error.issues
    .slice(0, MAX_FAULTS)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  throw new MallaError('request.invalid', faults.join('; '));
}

/** Undefined where there is none: clients leave it out where nothing need be said. */
async function readBody(
  { body, maxBodyLength = MAX_BODY_CHARACTERS }: Route,
  context: Context,
): Promise<unknown> {
  const text = await context.req.text();
  if (text.length > maxBodyLength) {
    throw new MallaError('request.too-large', 'the body is too large');
  }
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // A route without a body of its own only looks whether fields of its query are there.
    if (body === undefined) return undefined;
    throw new MallaError('request.invalid', 'the body is not JSON');
  }
}
