/** REST handlers: API keys. */
import {
  type ApiKeyReference,
  createApiKey,
  deleteApiKey,
  expireApiKey,
} from '../core/api-keys.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { idOf } from './input.ts';
import { apiKeyView } from './row-views.ts';

export function apiKeyHandlers({
  ledger,
  log,
}: AdminDeps): HandlersOf<'createApiKey' | 'listApiKeys' | 'expireApiKey' | 'deleteApiKey'> {
  return {
    async createApiKey({ expiration }, { name: author }) {
      // Go's zero time is kept: lists show what was asked for.
      const until = typeof expiration === 'string' ? Date.parse(expiration) : undefined;
      const { key, text } = await ledger.execute((state, context) =>
        createApiKey(state, until, context),
      );
      log.info({ author, apiKey: key.id, prefix: key.prefix }, 'API key created');
      return { apiKey: text };
    },

    listApiKeys() {
      const keys = [...ledger.state.apiKeys()].toSorted((a, b) => a.id - b.id);
      return { apiKeys: keys.map(apiKeyView) };
    },

    async expireApiKey(input, { name: author }) {
      const reference = referenceOf(input);
      const key = await ledger.execute((state, context) => expireApiKey(state, reference, context));
      log.info({ author, apiKey: key.id, prefix: key.prefix }, 'API key expired');
      return {};
    },

    async deleteApiKey(input, { name: author }) {
      const reference = referenceOf(input);
      const key = await ledger.execute((state) => deleteApiKey(state, reference));
      log.info({ author, apiKey: key.id, prefix: key.prefix }, 'API key deleted');
      return {};
    },
  };
}

/** Clients that write every field write no id as 0 and no prefix as the empty text. */
function referenceOf(input: { id?: string | undefined; prefix: string }): ApiKeyReference {
  const id = idOf(input.id ?? '0');
  return {
    ...(id === 0 ? {} : { id }),
    ...(input.prefix === '' ? {} : { prefix: input.prefix }),
  };
}
