/** API keys: what lets administrators' programs in from outside. */
import { MallaError } from '@malla/base/error';
import { ZERO_TIME_MS } from '@malla/base/zero-time';
import type { ApiKey } from '@malla/netmap/credential';
import { decide, type Decision, decideSoon } from './change.ts';
import { newCredential, parseCredential, secretMatches } from './credentials.ts';
import type { Context, State } from './state.ts';

/** How exactly it is known when a key was last used: a program in a loop is not a write per request. */
const LAST_SEEN_RESOLUTION_MS = 60_000;

/** A key and its text, which exists only here. */
export interface CreatedApiKey {
  readonly key: ApiKey;
  readonly text: string;
}

/** Makes a key that is good until `expiration` (Unix ms), or for ever. */
export function createApiKey(
  state: State,
  expiration: number | undefined,
  context: Context,
): Decision<CreatedApiKey> {
  const { text, prefix, hash } = newCredential(
    'api',
    context.random,
    (it) => state.apiKeyByPrefix(it) !== undefined,
  );
  const key: ApiKey = {
    id: state.nextId('apiKey'),
    tailnet: context.tailnet,
    prefix,
    hash,
    expiration,
    lastSeen: undefined,
    createdAt: context.now,
  };
  const answer: CreatedApiKey = { key, text };
  return decide([{ table: 'apiKey', id: key.id, before: undefined, after: key }], answer);
}

/** The key that a program presents, or undefined if it is none or its time is over. */
export function verifyApiKey(state: State, text: string, now: number): ApiKey | undefined {
  const parts = parseCredential('api', text);
  if (parts === undefined) return undefined;
  const key = state.apiKeyByPrefix(parts.prefix);
  if (key === undefined || !secretMatches(key.hash, parts.secret)) return undefined;
  return isGood(key, now) ? key : undefined;
}

/** Whether a key that was good still is: neither deleted nor over. */
export function isValidApiKey(state: State, id: number, now: number): boolean {
  const key = state.apiKey(id);
  return key !== undefined && isGood(key, now);
}

function isGood(key: ApiKey, now: number): boolean {
  return (endOf(key) ?? Infinity) > now;
}

/** When a key ends, Unix ms. Whoever asks for Go's zero time is shown it again, and means no end. */
function endOf({ expiration }: ApiKey): number | undefined {
  return expiration === ZERO_TIME_MS ? undefined : expiration;
}

/** Whether {@link sawApiKey} would note something. */
export function isSeenDue(key: ApiKey, now: number): boolean {
  return key.lastSeen === undefined || now - key.lastSeen >= LAST_SEEN_RESOLUTION_MS;
}

/** Notes that a key was used. A key deleted meanwhile is left alone. */
export function sawApiKey(state: State, id: number, context: Context): Decision<void> {
  const before = state.apiKey(id);
  if (before === undefined || !isSeenDue(before, context.now)) return decideSoon([], undefined);
  const after = { ...before, lastSeen: context.now };
  return decideSoon([{ table: 'apiKey', id, before, after }], undefined);
}

/** Which key is meant: by id, or by prefix as lists show it (`hskey-api-<prefix>-***`), bare, or the whole key. */
export interface ApiKeyReference {
  readonly id?: number | undefined;
  readonly prefix?: string | undefined;
}

/** Makes a key void from now on and keeps it listed. Throws like {@link deleteApiKey}. */
export function expireApiKey(
  state: State,
  reference: ApiKeyReference,
  context: Context,
): Decision<ApiKey> {
  const before = resolve(state, reference);
  const expiration = Math.min(endOf(before) ?? context.now, context.now);
  if (expiration === before.expiration) return decide([], before);
  const after = { ...before, expiration };
  return decide([{ table: 'apiKey', id: before.id, before, after }], after);
}

/** Throws MallaError `api-key.not-found`, or `request.invalid` for a reference to none or two. */
export function deleteApiKey(state: State, reference: ApiKeyReference): Decision<ApiKey> {
  const before = resolve(state, reference);
  return decide([{ table: 'apiKey', id: before.id, before, after: undefined }], before);
}

function resolve(state: State, { id, prefix }: ApiKeyReference): ApiKey {
  if (id !== undefined && prefix !== undefined) {
    throw new MallaError('request.invalid', 'provide either id or prefix, not both');
  }
  const key = prefix === undefined ? id !== undefined && state.apiKey(id) : byPrefix(state, prefix);
  if (key === false) throw new MallaError('request.invalid', 'must provide id or prefix');
  if (key === undefined) {
    throw new MallaError('api-key.not-found', 'API key not found', { details: { id, prefix } });
  }
  return key;
}

function byPrefix(state: State, text: string): ApiKey | undefined {
  const whole = parseCredential('api', text);
  const prefix = whole?.prefix ?? text.replace(/^hskey-api-/, '').replace(/-\*\*\*$/, '');
  const key = state.apiKeyByPrefix(prefix);
  if (key === undefined || whole === undefined) return key;
  return secretMatches(key.hash, whole.secret) ? key : undefined;
}
