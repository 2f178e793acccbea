/**
 * The administrators' API as an application from Request to Response: dispatch by the route table, and
 * a problem document for whatever goes wrong. Who listens decides whether callers must show an API key:
 * the unix socket trusts whoever may open it.
 */
import type { Access, Caller } from '@malla/api/access';
import type { Route } from '@malla/api/route';
import { API_PREFIX, eventStreams, routeNames, routes } from '@malla/api/v1/routes';
import { MallaError, messageOf } from '@malla/base/error';
import { type Context, Hono } from 'hono';
import { callerByKey, type Known, mustBePermitted, ON_THE_SOCKET } from './caller.ts';
import type { AdminDeps } from './deps.ts';
import { documentation } from './documentation.ts';
import { AnswerInPieces } from './handler.ts';
import { EventStreams } from './event-stream.ts';
import { allHandlers } from './handlers.ts';
import { readInput } from './input.ts';
import { answerProblem } from './problem.ts';

export interface AdminOptions {
  /** Whether callers must show an API key. */
  readonly authenticate: boolean;
}

/** Builds the application. Its own documentation is open to everybody. */
export function adminApp(deps: AdminDeps, options: AdminOptions): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.res.headers.set('X-Content-Type-Options', 'nosniff');
    context.res.headers.set('Cache-Control', 'no-store');
  });

  /** Decides on a request by its head, before anything else of it is read. */
  const known = (context: Context, access: Access): Known => {
    const who = options.authenticate
      ? callerByKey(deps, context.req.header('Authorization'))
      : ON_THE_SOCKET;
    mustBePermitted(who.caller, access);
    return who;
  };

  const handlers = allHandlers(deps);
  for (const name of routeNames) {
    const route: Route = routes[name];
    // The table ties a handler's input to the schemas that have just checked it.
    const handle = handlers[name] as (input: unknown, caller: Caller) => object | Promise<object>;
    app.on(route.method, honoPath(route.path), async (context) => {
      const { caller } = known(context, route.access);
      const answer = await handle(await readInput(route, context, deps.log), caller);
      return answer instanceof AnswerInPieces ? answer.response() : context.json(answer);
    });
  }

  const streams = new EventStreams(deps);
  const { method, path, access } = eventStreams.events;
  app.on(method, path, (context) => streams.begin(known(context, access).isStillKnown));

  for (const [page, text] of Object.entries(documentation(deps.version))) {
    app.get(API_PREFIX + page, () => text.response());
  }

  app.notFound((context) => answerProblem(unknownRoute(context)));
  app.onError((error) => {
    if (error instanceof MallaError) return answerProblem(error);
    const instance = `urn:uuid:${crypto.randomUUID()}`;
    deps.log.error({ err: messageOf(error), stack: error.stack, instance }, 'request failed');
    const refusal = new MallaError('internal', 'an error inside the server; its log says more');
    return answerProblem(refusal, instance);
  });
  return app;
}

/** The table's paths as patterns, made once: anybody may ask for paths that do not exist. */
const PATTERNS = routeNames.map((name) => {
  const { method, path }: Route = routes[name];
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => parameter);
  return {
    method,
    parameters,
    whole: pathPattern(path),
    withHoles: pathPattern(path, '([^/]*)'),
  };
});

/** Nothing at this path, or nothing for this method. */
function unknownRoute(context: Context): MallaError {
  const methods = PATTERNS.filter(({ whole }) => whole.test(context.req.path)).map(
    ({ method }) => method,
  );
  if (methods.length === 0) {
    const empty = emptyParameters(context);
    if (empty.length > 0) {
      return new MallaError('request.invalid', `${empty.join(' and ')} must not be empty`);
    }
    return new MallaError('request.not-found', `there is nothing at ${context.req.path}`);
  }
  const allow = [...new Set(methods)].join(', ');
  return new MallaError(
    'request.method-not-allowed',
    `${context.req.path} answers ${allow}, not ${context.req.method}`,
    { details: { allow } },
  );
}

/** The parameters that a path lacks, of a route that would answer it with them: `/node/7/rename/`. */
function emptyParameters({ req }: Context): readonly string[] {
  for (const { method, parameters, withHoles } of PATTERNS) {
    const values = parameters.length === 0 ? null : withHoles.exec(req.path);
    if (method === req.method && values !== null) {
      return parameters.filter((_, index) => values[index + 1] === '');
    }
  }
  return [];
}

/** `/node/{nodeId}` as `/node/:nodeId`. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function pathPattern(path: string, parameter: string = '[^/]+'): RegExp {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, parameter)}$`);
}
