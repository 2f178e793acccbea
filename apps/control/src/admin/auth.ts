/** REST handlers: devices and SSH connections that wait for an administrator. */
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';
import { nodeView } from './views.ts';

export function authHandlers(
  deps: AdminDeps,
): HandlersOf<'authRegister' | 'authApprove' | 'authReject'> {
  const { auth } = deps;
  return {
    async authRegister({ user, authId }) {
      const node = await auth.register(authId, user);
      return { node: nodeView(deps, node) };
    },

    async authApprove({ authId }) {
      await auth.approve(authId);
      return {};
    },

    async authReject({ authId }) {
      await auth.reject(authId);
      return {};
    },
  };
}
