/** REST handlers: pre-auth keys. */
import { MallaError } from '@malla/base/error';
import type { UserId } from '@malla/netmap/user';
import {
  createPreAuthKey,
  deletePreAuthKey,
  expirePreAuthKey,
  idOfPreAuthKey,
} from '../core/preauth-keys.ts';
import type { State } from '../core/state.ts';
import { meantUser } from '../core/users.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { idOf, timeOf } from './input.ts';
import { preAuthKeyView } from './row-views.ts';

export function preAuthKeyHandlers({
  ledger,
  log,
  tags: tagPolicy,
}: AdminDeps): HandlersOf<
  'createPreAuthKey' | 'listPreAuthKeys' | 'expirePreAuthKey' | 'deletePreAuthKey'
> {
  return {
    async createPreAuthKey({ user, reusable, ephemeral, expiration, aclTags }, { name: author }) {
      const wanted = {
        userId: ownerOf(ledger.state, user),
        tags: aclTags,
        reusable,
        ephemeral,
        expiration: timeOf(expiration),
        description: '',
      };
      const { key, text } = await ledger.execute((state, context) =>
        createPreAuthKey(state, wanted, context, tagPolicy),
      );
      const { id: preAuthKey, userId, tags } = key;
      const fields = { author, preAuthKey, user: userId, tags, reusable, ephemeral };
      log.info(fields, 'pre-auth key created');
      return { preAuthKey: preAuthKeyView(ledger.state, key, text) };
    },

    listPreAuthKeys({ user }) {
      const owner = user === undefined ? undefined : meantUser(ledger.state, user).id;
      const keys = [...ledger.state.preAuthKeys()]
        .filter(({ userId }) => owner === undefined || userId === owner)
        .toSorted((a, b) => a.id - b.id);
      return { preAuthKeys: keys.map((key) => preAuthKeyView(ledger.state, key)) };
    },

    async expirePreAuthKey({ id, key }, { name: author }) {
      const revoked = await ledger.execute((state, context) =>
        expirePreAuthKey(state, meantKey(state, id, key), context),
      );
      log.info({ author, preAuthKey: revoked.id }, 'pre-auth key revoked');
      return {};
    },

    async deletePreAuthKey({ id }, { name: author }) {
      const deleted = await ledger.execute((state) => deletePreAuthKey(state, idOf(id)));
      log.info({ author, preAuthKey: deleted.id }, 'pre-auth key deleted');
      return {};
    },
  };
}

/** Clients that write every field write no owner as 0. Throws MallaError `request.invalid` for a name that is nobody's. */
function ownerOf(state: State, user: string | undefined): UserId | undefined {
  if (user === undefined || user === '' || user === '0') return undefined;
  if (/^\d+$/.test(user)) return idOf(user);
  const named = state.userByName(user);
  if (named === undefined) {
    throw new MallaError(
      'request.invalid',
      `user: neither an id nor the name of a user: "${user}"`,
    );
  }
  return named.id;
}

/** By its id, or as older releases do by the key. */
function meantKey(state: State, id: string | undefined, key: string | undefined): number {
  if (id !== undefined) return idOf(id);
  if (key !== undefined && key !== '') return idOfPreAuthKey(state, key);
  throw new MallaError('request.invalid', 'must provide id or key');
}
