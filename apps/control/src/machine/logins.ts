/** Lets waiting devices in: what `nodes register` and `auth register|approve|reject` do. */
import { MallaError } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import type { RandomBytes } from '@malla/base/random';
import type { AuthRequests } from '../admin/deps.ts';
import { type RegistrationRules, registerForUser } from '../core/register.ts';
import type { Ledger } from '../ledger.ts';
import type { AuthRequestCache } from './auth-requests.ts';
import { MIN_CAP_VERSION } from './map.ts';

/** The administrators' side of the waiting logins. */
export function createLogins(
  cache: AuthRequestCache,
  ledger: Ledger,
  rules: RegistrationRules,
  random: RandomBytes,
): AuthRequests {
  return {
    register(authId, userName) {
      return cache.decide(authId, 'registered', (device) =>
        ledger.execute((state, context) => {
          const user = state.userByName(userName);
          if (user === undefined) {
            throw new MallaError('user.not-found', `there is no user "${userName}"`);
          }
          return registerForUser(state, device, user.id, 'cli', rules, context);
        }),
      );
    },
    async approve(authId) {
      // Whatever waits today is a device that wants to register, and that needs an owner.
      const { id } = cache.get(authId);
      throw new MallaError(
        'request.invalid',
        `a device waits to register with ${id}: let it in with malla nodes register --key ${id} --user USERNAME`,
      );
    },
    reject: (authId) => cache.decide(authId, 'rejected', () => {}),
    async simulate({ authId, name, routes }) {
      const request = cache.open(
        {
          machineKey: formatKey('mkey', random(32)),
          nodeKey: formatKey('nodekey', random(32)),
          oldNodeKey: undefined,
          hostinfo: { Hostname: name, OS: 'debug', RoutableIPs: routes },
          capVersion: MIN_CAP_VERSION,
          ephemeral: false,
          expiry: undefined,
        },
        authId,
      );
      return request.device;
    },
  };
}
