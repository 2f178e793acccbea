/**
 * The text form of credentials that programs hold, and the only place that sees their secret part.
 *
 *     hskey-auth-0123456789ab-<64 characters>
 *     |    kind  prefix       secret
 *
 * The prefix finds the row and may be shown. Of the secret, 32 random bytes in hex, the row has the
 * SHA-256; it is shown once, in the answer to the command that made it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { utf8 } from '@malla/base/bytes';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';

/** `auth`: lets devices in. `api`: lets administrators in. */
export type CredentialKind = 'auth' | 'api';

const PREFIX_CHARACTERS = 12;
const SECRET_CHARACTERS = 64;

export interface NewCredential {
  /** What the caller is given. Never log or store it. */
  readonly text: string;
  readonly prefix: string;
  /** Lowercase hex SHA-256 of the secret's text. */
  readonly hash: string;
}

/** Makes a credential whose prefix is not taken. */
export function newCredential(
  kind: CredentialKind,
  random: RandomBytes,
  prefixTaken: (prefix: string) => boolean,
): NewCredential {
  let prefix = toHex(random(PREFIX_CHARACTERS / 2));
  while (prefixTaken(prefix)) prefix = toHex(random(PREFIX_CHARACTERS / 2));
  const secret = toHex(random(SECRET_CHARACTERS / 2));
  return { text: `hskey-${kind}-${prefix}-${secret}`, prefix, hash: sha256(secret) };
}

/**
 * Splits a presented credential, or undefined if it is none of this kind. By position, not at hyphens:
 * the parts of keys that headscale made may contain them.
 */
export function parseCredential(
  kind: CredentialKind,
  text: string,
): { readonly prefix: string; readonly secret: string } | undefined {
  const match = PATTERNS[kind].exec(text);
  if (match === null) return undefined;
  return { prefix: match[1] ?? '', secret: match[2] ?? '' };
}

/** Whether the secret is the one that `hash` was made of, in time that does not depend on where they differ. */
export function secretMatches(hash: string, secret: string): boolean {
  const expected = utf8(hash);
  const actual = utf8(sha256(secret));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

const PATTERNS: Record<CredentialKind, RegExp> = {
  auth: pattern('auth'),
  api: pattern('api'),
};

function pattern(kind: CredentialKind): RegExp {
  const part = '[A-Za-z0-9_-]';
  return new RegExp(
    `^hskey-${kind}-(${part}{${PREFIX_CHARACTERS}})-(${part}{${SECRET_CHARACTERS}})$`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
