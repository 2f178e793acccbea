/**
 * The names under which something waits for a person: a login (auth-requests.ts) or an SSH connection
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

/** Throws MallaError `auth.id-invalid` for what cannot be one. */
export function checkAuthId(id: string): void {
  if (ID.test(id)) return;
  throw new MallaError(
    'auth.id-invalid',
    `"${id.slice(0, 80)}" is not an authentication id: it looks like ${PREFIX}…`,
  );
}
