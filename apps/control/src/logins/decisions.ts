/**
 * Lets in who waits: what `nodes register` and `auth register|approve|reject` do. A device that waits is
 * registered, an SSH connection that waits is approved; either can be rejected.
 */
import { MallaError } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import type { RandomBytes } from '@malla/base/random';
import { type Device, type RegistrationRules, registerForUser } from '../core/registration.ts';
import { meantUser } from '../core/users.ts';
import type { Ledger } from '../ledger.ts';
import type { OperatorCommands } from '../operator-commands.ts';
import type { SshCheck, SshChecks } from '../ssh/checks.ts';
import type { PendingLogins } from './pending-logins.ts';
import type { Node } from '@malla/netmap/node';
import { MIN_CAP_VERSION } from '../core/cap-version.ts';

/** Devices and SSH connections that wait for an administrator: `nodes register`, `auth register|approve|reject`. */
export interface LoginDecisions {
  /**
   * Registers the waiting device to a user, by name or id, and releases its client. Throws MallaError
   * `auth.id-invalid`, `auth.not-found`, `user.not-found`, `address.exhausted`.
   */
  register(authId: string, userName: string): Promise<Node>;
  /**
   * Lets a waiting SSH connection through. Throws MallaError `auth.id-invalid`, `auth.not-found`, and
   * `request.invalid` for a device that waits: that needs a user.
   */
  approve(authId: string): Promise<SshCheck>;
  /** Refuses either: the client is told so. Throws MallaError `auth.id-invalid`, `auth.not-found`. */
  reject(authId: string): Promise<Device | SshCheck>;
  /**
   * Makes a request as if a device had asked (`debug create-node`), for tests of the flow. Throws
   * MallaError `auth.id-invalid`.
   */
  simulate(request: {
    readonly authId: string;
    readonly name: string;
    readonly routes: readonly string[];
  }): Promise<Device>;
}

/** The administrators' side of what waits. */
export function createLogins(
  cache: PendingLogins,
  sshChecks: SshChecks,
  ledger: Ledger,
  rules: RegistrationRules,
  commands: OperatorCommands,
  random: RandomBytes,
): LoginDecisions {
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
