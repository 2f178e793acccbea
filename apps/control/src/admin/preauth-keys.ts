/** REST handlers: pre-auth keys. */
import { createPreAuthKey, deletePreAuthKey, expirePreAuthKey } from '../core/preauth-keys.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';
import { idOf, timeOf } from './input.ts';
import { preAuthKeyView } from './views.ts';

export function preAuthKeyHandlers({
  ledger,
}: AdminDeps): HandlersOf<
  'createPreAuthKey' | 'listPreAuthKeys' | 'expirePreAuthKey' | 'deletePreAuthKey'
> {
  return {
    async createPreAuthKey({ user, reusable, ephemeral, expiration, aclTags }) {
      const wanted = {
        userId: user === undefined ? undefined : idOf(user),
        tags: aclTags,
        reusable,
        ephemeral,
        expiration: timeOf(expiration),
        description: '',
      };
      const { key, text } = await ledger.execute((state, context) =>
        createPreAuthKey(state, wanted, context),
      );
      return { preAuthKey: preAuthKeyView(ledger.state, key, text) };
    },

    listPreAuthKeys() {
      const keys = [...ledger.state.preAuthKeys()].toSorted((a, b) => a.id - b.id);
      return { preAuthKeys: keys.map((key) => preAuthKeyView(ledger.state, key)) };
    },

    async expirePreAuthKey({ id }) {
      await ledger.execute((state, context) => expirePreAuthKey(state, idOf(id), context));
      return {};
    },

    async deletePreAuthKey({ id }) {
      await ledger.execute((state) => deletePreAuthKey(state, idOf(id)));
      return {};
    },
  };
}
