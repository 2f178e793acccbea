/** REST handlers: users. */
import type { User } from '@malla/netmap/user';
import { createUser, destroyUser, renameUser } from '../core/users.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';
import { idOf } from './input.ts';
import { userView } from './views.ts';

export function userHandlers({
  ledger,
}: AdminDeps): HandlersOf<'createUser' | 'listUsers' | 'renameUser' | 'deleteUser'> {
  return {
    async createUser(wanted) {
      const user = await ledger.execute((state, context) => createUser(state, wanted, context));
      return { user: userView(user) };
    },

    listUsers({ name, email, id }) {
      const isMeant = (user: User): boolean => {
        if (name !== undefined) return user.name === name;
        if (email !== undefined) return user.email === email;
        return id === undefined || user.id === idOf(id);
      };
      const users = [...ledger.state.users()].filter(isMeant).toSorted((a, b) => a.id - b.id);
      return { users: users.map(userView) };
    },

    async renameUser({ oldId, newName }) {
      const user = await ledger.execute((state) => renameUser(state, idOf(oldId), newName));
      return { user: userView(user) };
    },

    async deleteUser({ id }) {
      await ledger.execute((state) => destroyUser(state, idOf(id)));
      return {};
    },
  };
}
