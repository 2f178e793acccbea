/** REST handlers: users. */
import type { User } from '@malla/netmap/user';
import { createUser, destroyUser, renameUser } from '../core/users.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { idOf } from './input.ts';
import { userView } from './row-views.ts';

export function userHandlers({
  ledger,
  log,
}: AdminDeps): HandlersOf<'createUser' | 'listUsers' | 'renameUser' | 'deleteUser'> {
  return {
    async createUser(wanted, { name: author }) {
      const user = await ledger.execute((state, context) => createUser(state, wanted, context));
      log.info({ author, user: user.id, name: user.name }, 'user created');
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

    async renameUser({ oldId, newName }, { name: author }) {
      const was = ledger.state.user(idOf(oldId))?.name;
      const user = await ledger.execute((state) => renameUser(state, idOf(oldId), newName));
      log.info({ author, user: user.id, name: user.name, was }, 'user renamed');
      return { user: userView(user) };
    },

    async deleteUser({ id }, { name: author }) {
      const nodes = ledger.state.nodesOfUser(idOf(id)).map((node) => node.id);
      const user = await ledger.execute((state) => destroyUser(state, idOf(id)));
      log.info({ author, user: user.id, name: user.name, nodes }, 'user deleted, with its nodes');
      return {};
    },
  };
}
