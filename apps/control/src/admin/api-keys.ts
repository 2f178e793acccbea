/** REST handlers: API keys. */
import {
  type ApiKeyReference,
  createApiKey,
  deleteApiKey,
  expireApiKey,
} from '../core/api-keys.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';
import { idOf } from './input.ts';
import { apiKeyView } from './views.ts';

export function apiKeyHandlers({
  ledger,
}: AdminDeps): HandlersOf<'createApiKey' | 'listApiKeys' | 'expireApiKey' | 'deleteApiKey'> {
  return {
    async createApiKey({ expiration }) {
      // Go's zero time is kept: lists show what was asked for.
      const until = typeof expiration === 'string' ? Date.parse(expiration) : undefined;
      const { text } = await ledger.execute((state, context) =>
        createApiKey(state, until, context),
      );
      return { apiKey: text };
    },

    listApiKeys() {
      const keys = [...ledger.state.apiKeys()].toSorted((a, b) => a.id - b.id);
      return { apiKeys: keys.map(apiKeyView) };
    },

    async expireApiKey(input) {
      const reference = referenceOf(input);
      await ledger.execute((state, context) => expireApiKey(state, reference, context));
      return {};
    },

    async deleteApiKey(input) {
      const reference = referenceOf(input);
      await ledger.execute((state) => deleteApiKey(state, reference));
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
