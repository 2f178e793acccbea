/** What the handlers of the administrators' API have in common: their types, and every one by its route. */
import type { AnswerOf, HandlerInput, RouteName } from '@malla/api/routes';
import { apiKeyHandlers } from './api-keys.ts';
import { authHandlers } from './auth.ts';
import { debugHandlers } from './debug.ts';
import type { AdminDeps } from './deps.ts';
import { dnsHandlers } from './dns.ts';
import { healthHandlers } from './health.ts';
import { nodeHandlers } from './nodes.ts';
import { policyHandlers } from './policy.ts';
import { preAuthKeyHandlers } from './preauth-keys.ts';
import { userHandlers } from './users.ts';

/** Who asks: `local` for whoever may open the unix socket, or the prefix of an API key. */
export type Caller = string;

/** Answers one route: its checked input in, its answer out; refuses by throwing MallaError. */
export type Handler<N extends RouteName> = (
  input: HandlerInput<N>,
  caller: Caller,
) => AnswerOf<N> | Promise<AnswerOf<N>>;

/** Handlers of some routes. */
export type HandlersOf<N extends RouteName> = { readonly [K in N]: Handler<K> };

/** A handler for every route. */
export function allHandlers(deps: AdminDeps): HandlersOf<RouteName> {
  return {
    ...userHandlers(deps),
    ...preAuthKeyHandlers(deps),
    ...apiKeyHandlers(deps),
    ...nodeHandlers(deps),
    ...authHandlers(deps),
    ...dnsHandlers(deps),
    ...policyHandlers(deps),
    ...debugHandlers(deps),
    ...healthHandlers(deps),
  };
}
