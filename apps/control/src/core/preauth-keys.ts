/**
 * Pre-auth keys: what lets a device in without an administrator's hands. A key belongs to a user, or
 * tags its devices, or both (then the devices are tagged and the user is who made the key).
 */
import { MallaError } from '@malla/base/error';
import { fail, ok, type Result } from '@malla/base/result';
import type { PreAuthKey } from '@malla/netmap/credential';
import type { UserId } from '@malla/netmap/user';
import { decide, type Decision } from './change.ts';
import { newCredential, parseCredential, secretMatches } from './credentials.ts';
import type { Context, State } from './state.ts';
import { checkTags, NO_TAG_POLICY, type TagPolicy } from './tags.ts';

/** Why a presented key lets nobody in. */
export type PreAuthKeyFault = 'unknown' | 'expired' | 'used' | 'revoked';

export interface NewPreAuthKey {
  readonly userId: UserId | undefined;
  readonly tags: readonly string[];
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  /** Unix ms; absent: never. */
  readonly expiration: number | undefined;
  readonly description: string;
}

/** A key and its text, which exists only here. */
export interface CreatedPreAuthKey {
  readonly key: PreAuthKey;
  readonly text: string;
}

/** The key that a device presents, if it lets the device in now. A used key does when it is reusable. */
export function findPreAuthKey(
  state: State,
  text: string,
  now: number,
): Result<PreAuthKey, PreAuthKeyFault> {
  const parts = parseCredential('auth', text);
  if (parts === undefined) return fail('unknown');
  const key = state.preAuthKeyByPrefix(parts.prefix);
  if (key === undefined || !secretMatches(key.hash, parts.secret)) return fail('unknown');
  if (key.revokedAt !== undefined) return fail('revoked');
  if (key.expiration !== undefined && key.expiration <= now) return fail('expired');
  if (key.used && !key.reusable) return fail('used');
  return ok(key);
}

/**
 * Makes a key. A policy must define its tags, as it must those that an administrator gives to a node. Throws
 * MallaError `user.not-found`, `node.tags-invalid`, `preauth-key.invalid`.
 */
export function createPreAuthKey(
  state: State,
  wanted: NewPreAuthKey,
  context: Context,
  policy: TagPolicy = NO_TAG_POLICY,
): Decision<CreatedPreAuthKey> {
  const tags = checkTags(wanted.tags, policy);
  if (wanted.userId === undefined && tags.length === 0) {
    throw new MallaError(
      'preauth-key.invalid',
      'a pre-auth key must be owned by a user, or tag its devices',
    );
  }
  if (wanted.userId !== undefined && state.user(wanted.userId) === undefined) {
    throw new MallaError(
      'user.not-found',
      `user not found: there is none with the id ${wanted.userId} (malla users list)`,
      { details: { user: wanted.userId } },
    );
  }
  const { text, prefix, hash } = newCredential(
    'auth',
    context.random,
    (it) => state.preAuthKeyByPrefix(it) !== undefined,
  );
  const key: PreAuthKey = {
    id: state.nextId('preAuthKey'),
    tailnet: context.tailnet,
    prefix,
    hash,
    userId: wanted.userId,
    tags,
    reusable: wanted.reusable,
    ephemeral: wanted.ephemeral,
    used: false,
    expiration: wanted.expiration,
    revokedAt: undefined,
    description: wanted.description,
    createdAt: context.now,
  };
  const answer: CreatedPreAuthKey = { key, text };
  return decide([{ table: 'preAuthKey', id: key.id, before: undefined, after: key }], answer);
}

/**
 * The id of a key by its text, or by as much of it as lists show (`hskey-auth-<prefix>-***`). Throws
 * MallaError `preauth-key.not-found`.
 */
export function idOfPreAuthKey(state: State, text: string): number {
  const whole = parseCredential('auth', text);
  const prefix = whole?.prefix ?? text.replace(/^hskey-auth-/, '').replace(/-\*\*\*$/, '');
  const key = state.preAuthKeyByPrefix(prefix);
  if (key === undefined || (whole !== undefined && !secretMatches(key.hash, whole.secret))) {
    throw new MallaError('preauth-key.not-found', 'pre-auth key not found');
  }
  return key.id;
}

/** Makes a key void and keeps it, so that who presents it is told. Throws `preauth-key.not-found`. */
export function expirePreAuthKey(state: State, id: number, context: Context): Decision<PreAuthKey> {
  const before = known(state, id);
  if (before.revokedAt !== undefined) return decide([], before);
  const after: PreAuthKey = {
    ...before,
    revokedAt: context.now,
    expiration: Math.min(before.expiration ?? context.now, context.now),
  };
  return decide([{ table: 'preAuthKey', id, before, after }], after);
}

/** Removes a key. Devices that registered with it stay. Throws `preauth-key.not-found`. */
export function deletePreAuthKey(state: State, id: number): Decision<PreAuthKey> {
  const before = known(state, id);
  return decide([{ table: 'preAuthKey', id, before, after: undefined }], before);
}

function known(state: State, id: number): PreAuthKey {
  const key = state.preAuthKey(id);
  if (key === undefined) {
    throw new MallaError('preauth-key.not-found', 'pre-auth key not found', { details: { id } });
  }
  return key;
}
