/**
 * The names under which something waits for a person: a login (pending-logins.ts) or an SSH connection
 * (../ssh/checks.ts). Nobody can guess one; it lets nobody in by itself.
 */
import { MallaError } from '@malla/base/error';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';

/** `hskey-authreq-` and 24 hex digits, as headscale's. */
const PREFIX = 'hskey-authreq-';
const ID = /^hskey-authreq-[0-9a-f]{24}$/;

/** A new one. */
export function newAuthId(random: RandomBytes): string {
  return PREFIX + toHex(random(12));
}

/** The id in what somebody copied: the id itself, or the address of the page that shows it. */
export function pastedAuthId(text: string): string {
  const trimmed = text.trim();
  return /\/(?:register|auth)\/([^/?#]+)/.exec(trimmed)?.[1] ?? trimmed;
}

/** Throws MallaError `auth.id-invalid` for what cannot be one. What may be a secret is not repeated. */
export function checkAuthId(id: string): void {
  if (ID.test(id)) return;
  const mistaken = MISTAKEN.find(([prefix]) => id.startsWith(prefix))?.[1];
  const wanted = `the id that the page of a login shows looks like ${PREFIX}…`;
  throw new MallaError(
    'auth.id-invalid',
    mistaken === undefined
      ? `"${id.slice(0, 80)}" is not an authentication id: ${wanted}`
      : `${mistaken}: ${wanted}`,
  );
}

const PRE_AUTH_KEY =
  'this is a pre-auth key, with which a device joins by itself (tailscale up --auth-key …), not the id of a device that waits';

/** What people take for an id, by how it begins. */
const MISTAKEN: readonly (readonly [prefix: string, what: string])[] = [
  [PREFIX, 'the id is not whole'],
  ['hskey-auth-', PRE_AUTH_KEY],
  ['tskey-auth-', PRE_AUTH_KEY],
  ['hskey-api-', 'this is a key of the API, not the id of a device that waits'],
  ['nodekey:', 'this is a key of a device, which headscale asked for before 0.26'],
  ['mkey:', 'this is a key of a device, which headscale asked for before 0.26'],
];
