/**
 * Lets in who waits: what `nodes register` and `auth register|approve|reject` do. A device that waits is
 * registered, an SSH connection that waits is approved; either can be rejected.
 */
import { MallaError } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import type { RandomBytes } from '@malla/base/random';
import type { AuthRequests } from '../admin/deps.ts';
import { type RegistrationRules, registerForUser } from '../core/register.ts';
import { meantUser } from '../core/users.ts';
import type { Ledger } from '../ledger.ts';
import type { OperatorCommands } from '../operator-commands.ts';
import type { SshChecks } from '../ssh/checks.ts';
import type { AuthRequestCache } from './auth-requests.ts';
import { MIN_CAP_VERSION } from './map.ts';

/** The administrators' side of the waiting logins. */
export function createLogins(
  cache: AuthRequestCache,
  sshChecks: SshChecks,
  ledger: Ledger,
  rules: RegistrationRules,
  commands: OperatorCommands,
  random: RandomBytes,
): AuthRequests {
  return {
    async register(authId, userName) {
      if (sshChecks.find(authId) !== undefined) {
        throw new MallaError(
          'request.invalid',
          `an SSH connection waits with ${authId}: let it through with ${commands.approve(authId)}`,
        );
      }
      return cache.decide(authId, 'registered', (device) =>
        ledger.execute((state, context) => {
          const user = meantUser(state, userName);
          return registerForUser(state, device, user.id, 'cli', rules, context);
        }),
      );
    },
    async approve(authId) {
      if (sshChecks.find(authId) !== undefined) {
        return sshChecks.approve(authId, 'administrator');
      }
      // A device that wants to register needs an owner.
      const { id } = cache.get(authId);
      throw new MallaError(
        'request.invalid',
        `a device waits to register with ${id}: let it in with ${commands.register(id)}`,
      );
    },
    async reject(authId) {
      if (sshChecks.find(authId) !== undefined) return sshChecks.reject(authId);
      return await cache.decide(authId, 'rejected', (device) => device);
    },
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
        { known: 'administrator' },
        authId,
      );
      return request.device;
    },
  };
}
