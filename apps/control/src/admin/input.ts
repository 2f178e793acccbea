/** From an HTTP request to a route's checked input. Every fault is a MallaError `request.*`. */
import { MallaError } from '@malla/base/error';
import type { Route } from '@malla/api/routes';
import type { Context } from 'hono';

/** Longest body of most routes; the largest such, a list of 1,024 routes, has some 70 kB. */
export const MAX_BODY_CHARACTERS = 1 << 20;
/** Faults that one refusal names. */
const MAX_FAULTS = 5;

/** The input of a route: path, query and body, checked, in one object. */
export async function readInput(route: Route, context: Context): Promise<Record<string, unknown>> {
  const query = Object.entries(context.req.query()).filter(([, value]) => value !== '');
  return {
    ...check(route.params, context.req.param()),
    ...check(route.query, Object.fromEntries(query)),
    ...(route.body === undefined ? {} : check(route.body, await readBody(route, context))),
  };
}

/** A number that the schema of an id has let through. One too large for us is nobody's. */
export function idOf(text: string): number {
  return Number(text);
}

/** Unix ms of a time that the schema has let through. */
export function timeOf(text: string | null | undefined): number | undefined {
  return text === undefined || text === null ? undefined : Date.parse(text);
}

function check(schema: Route['params'], value: unknown): Record<string, unknown> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const faults = checked.error.issues
    .slice(0, MAX_FAULTS)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  throw new MallaError('request.invalid', faults.join('; '));
}

/** An empty body is an object without fields: clients leave it out where nothing need be said. */
async function readBody(
  { maxBodyLength = MAX_BODY_CHARACTERS }: Route,
  context: Context,
): Promise<unknown> {
  const text = await context.req.text();
  if (text.length > maxBodyLength) {
    throw new MallaError('request.too-large', 'the body is too large');
  }
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new MallaError('request.invalid', 'the body is not JSON');
  }
}
