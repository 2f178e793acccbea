/** Every handler of the administrators' API, by its route. */
import type { RouteName } from '@malla/api/v1/routes';
import { apiKeyHandlers } from './api-keys.ts';
import { authHandlers } from './auth.ts';
import { debugHandlers } from './debug.ts';
import type { AdminDeps } from './deps.ts';
import { dnsHandlers } from './dns.ts';
import type { HandlersOf } from './handler.ts';
import { healthHandlers } from './health.ts';
import { nodeHandlers } from './nodes.ts';
import { policyHandlers } from './policy.ts';
import { preAuthKeyHandlers } from './preauth-keys.ts';
import { userHandlers } from './users.ts';

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
