/** Who may use the API from outside: whoever holds an API key. */
import { MallaError, messageOf } from '@malla/base/error';
import type { ApiKey } from '@malla/netmap/credential';
import { isSeenDue, sawApiKey, verifyApiKey } from '../core/api-keys.ts';
import type { AdminDeps } from './deps.ts';

/**
 * The key that `Authorization: Bearer hskey-api-…` shows. Throws MallaError `request.unauthenticated`.
 */
export function authenticate(deps: AdminDeps, authorization: string | undefined): ApiKey {
  const text = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  const key = text === undefined ? undefined : verifyApiKey(deps.ledger.state, text, deps.now());
  if (key === undefined) {
    throw new MallaError(
      'request.unauthenticated',
      'Unauthorized: this needs the header Authorization: Bearer with an API key that is valid',
    );
  }
  if (isSeenDue(key, deps.now())) {
    deps.ledger
      .executeLate((state, context) => sawApiKey(state, key.id, context))
      .catch((error: unknown) => {
        deps.log.warn({ err: messageOf(error), apiKey: key.id }, 'use of an API key was not noted');
      });
  }
  return key;
}
