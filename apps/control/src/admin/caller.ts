/** Who calls the API: whoever may open the unix socket, or holds an API key. */
import { type Access, type Caller, permits } from '@malla/api/access';
import { MallaError, messageOf } from '@malla/base/error';
import { isSeenDue, isValidApiKey, sawApiKey, verifyApiKey } from '../core/api-keys.ts';
import type { AdminDeps } from './deps.ts';

/** A caller, and whether they still are who they were. */
export interface Known {
  readonly caller: Caller;
  /** For answers that go on for long: a key may expire meanwhile. */
  readonly isStillKnown: () => boolean;
}

/** On the unix socket: its file mode has decided who may open it. */
export const ON_THE_SOCKET: Known = {
  caller: { kind: 'socket', name: 'local', user: undefined, role: undefined, scopes: ['all'] },
  isStillKnown: () => true,
};

/**
 * Whose key `Authorization: Bearer hskey-api-…` shows; such a key may do everything. Throws MallaError
 * `request.unauthenticated`.
 */
export function callerByKey(deps: AdminDeps, authorization: string | undefined): Known {
  const text = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  const key = text === undefined ? undefined : verifyApiKey(deps.ledger.state, text, deps.now());
  if (key === undefined) {
    throw new MallaError(
      'request.unauthenticated',
      'Unauthorized: this needs the header Authorization: Bearer with an API key that is valid',
    );
  }
  const { id, prefix } = key;
  if (isSeenDue(key, deps.now())) {
    deps.ledger
      .executeLate((state, context) => sawApiKey(state, id, context))
      .catch((error: unknown) => {
        deps.log.warn({ err: messageOf(error), apiKey: id }, 'use of an API key was not noted');
      });
  }
  return {
    caller: { kind: 'api-key', name: prefix, user: undefined, role: undefined, scopes: ['all'] },
    isStillKnown: () => isValidApiKey(deps.ledger.state, id, deps.now()),
  };
}

/** Lets a caller pass to what needs this. Throws MallaError `request.forbidden`. */
export function mustBePermitted(caller: Caller, access: Access): void {
  if (permits(caller, access)) return;
  throw new MallaError('request.forbidden', `Forbidden: this needs the right ${access}`, {
    details: { needs: access },
  });
}
