/** REST handlers: devices and SSH connections that wait for an administrator. */
import type { Node } from '@malla/netmap/node';
import { pastedAuthId } from '../core/pending-id.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { nodeView } from './row-views.ts';

export function authHandlers(
  deps: AdminDeps,
): HandlersOf<'authRegister' | 'authApprove' | 'authReject'> {
  const { logins, log } = deps;
  return {
    async authRegister({ user, authId }, { name: author }) {
      const node = await logins.register(pastedAuthId(authId), user);
      logRegistered(deps, node, author);
      return { node: nodeView(deps, node) };
    },

    async authApprove({ authId: pasted }, { name: author }) {
      const authId = pastedAuthId(pasted);
      const { source: peer, destination: node, localUser } = await logins.approve(authId);
      log.info({ author, authId, node, peer, localUser }, 'SSH connection approved');
      return {};
    },

    async authReject({ authId: pasted }, { name: author }) {
      const authId = pastedAuthId(pasted);
      const rejected = await logins.reject(authId);
      if ('machineKey' in rejected) {
        const { Hostname: name } = rejected.hostinfo;
        log.info({ author, authId, name }, 'login rejected');
      } else {
        const { source: peer, destination: node, localUser } = rejected;
        log.info({ author, authId, node, peer, localUser }, 'SSH connection rejected');
      }
      return {};
    },
  };
}

/** Notes for the log that somebody let a device in. */
export function logRegistered({ log }: AdminDeps, node: Node, author: string): void {
  const { id, name, userId: user, tags } = node;
  log.info({ author, node: id, name, user, tags }, 'node registered by hand');
}
