/**
 * tailcfg.RegisterRequest and RegisterResponse: `POST /machine/register` inside Noise.
 *
 * Source: docs/protocol/control.md §Registration. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { ZERO_TIME } from '@malla/base/zero-time';
import { formatKey, isZeroKey, KEY_BYTES, type NodePublic, parseKey } from '@malla/keys/key';
import { decodeHostinfo, type Hostinfo } from './hostinfo.ts';
import {
  formatTime,
  isObject,
  type JsonFault,
  parseObject,
  stringOf,
  timeOf,
  uint16Of,
} from './json.ts';

export interface RegisterRequest {
  /** Capability version of the client; 0 where it tells none. */
  readonly version: number;
  readonly nodeKey: NodePublic;
  /** The key this one replaces; absent when the client sent zeros. */
  readonly oldNodeKey: NodePublic | undefined;
  readonly authKey: string;
  /** Unix ms; a time in the past means "log out". Absent: not asked for. */
  readonly expiry: number | undefined;
  /** The AuthURL that this request waits for; empty: it waits for none. */
  readonly followup: string;
  readonly ephemeral: boolean;
  readonly hostinfo: Hostinfo;
}

export type RegisterFault = JsonFault | 'bad-node-key';

/** Reads a request that an authenticated machine sent. Never throws. */
export function decodeRegisterRequest(body: Uint8Array): Result<RegisterRequest, RegisterFault> {
  const parsed = parseObject(body);
  if (!parsed.ok) return parsed;
  const fields = parsed.value;
  const nodeKey = parseKey('nodekey', fields['NodeKey']);
  if (!nodeKey.ok || isZeroKey(nodeKey.value)) return fail('bad-node-key');
  const oldNodeKey = parseKey('nodekey', fields['OldNodeKey']);
  const auth = fields['Auth'];
  return ok({
    version: uint16Of(fields['Version']) ?? 0,
    nodeKey: nodeKey.value,
    oldNodeKey: oldNodeKey.ok && !isZeroKey(oldNodeKey.value) ? oldNodeKey.value : undefined,
    authKey: isObject(auth) ? stringOf(auth['AuthKey']).trim() : '',
    expiry: timeOf(fields['Expiry']),
    followup: stringOf(fields['Followup']),
    ephemeral: fields['Ephemeral'] === true,
    hostinfo: decodeHostinfo(fields['Hostinfo']) ?? {},
  });
}

const NO_NODE_KEY = formatKey('nodekey', new Uint8Array(KEY_BYTES));

/** The JSON of a request, as clients write it. */
export function encodeRegisterRequest(request: RegisterRequest): string {
  const { authKey } = request;
  return JSON.stringify({
    Version: request.version,
    NodeKey: request.nodeKey,
    OldNodeKey: request.oldNodeKey ?? NO_NODE_KEY,
    ...(authKey === '' ? {} : { Auth: { AuthKey: authKey } }),
    Expiry: formatTime(request.expiry),
    Followup: request.followup,
    Hostinfo: request.hostinfo,
    ...(request.ephemeral ? { Ephemeral: true } : {}),
  });
}

/** Who a node's client is told it belongs to. */
export interface LoginUser {
  readonly id: number;
  readonly loginName: string;
  readonly displayName: string;
  readonly pictureUrl: string;
}

export type RegisterAnswer =
  | { readonly kind: 'registered'; readonly user: LoginUser; readonly nodeKeyExpired: boolean }
  | { readonly kind: 'visit'; readonly authUrl: string }
  | { readonly kind: 'refused'; readonly error: string };

/** The JSON of a RegisterResponse. It is never compressed. */
export function encodeRegisterResponse(answer: RegisterAnswer): string {
  const user = answer.kind === 'registered' ? answer.user : undefined;
  return JSON.stringify({
    User: {
      ID: user?.id ?? 0,
      DisplayName: user?.displayName ?? '',
      ...(user?.pictureUrl ? { ProfilePicURL: user.pictureUrl } : {}),
      Created: ZERO_TIME,
    },
    Login: {
      ID: user?.id ?? 0,
      Provider: '',
      LoginName: user?.loginName ?? '',
      DisplayName: user?.displayName ?? '',
      ...(user?.pictureUrl ? { ProfilePicURL: user.pictureUrl } : {}),
    },
    NodeKeyExpired: answer.kind === 'registered' && answer.nodeKeyExpired,
    MachineAuthorized: answer.kind === 'registered',
    AuthURL: answer.kind === 'visit' ? answer.authUrl : '',
    // Tailscale's client in Rust refuses an answer without it.
    Error: answer.kind === 'refused' ? answer.error : '',
  });
}

/** Largest RegisterResponse that a client reads, in bytes. */
export const MAX_REGISTER_RESPONSE_BYTES: number = 1 << 20;
const MAX_URL_CHARS = 4096;
const MAX_ERROR_CHARS = 16 * 1024;

/** `no-answer`: what it says is of no known form, so that it is not to be taken for a success. */
export type RegisterResponseFault = JsonFault | 'no-answer';

/**
 * Reads what a server answered. An error outweighs all else, and an expired key a URL: a client that is
 * told of both makes another key first. Never throws.
 */
export function decodeRegisterResponse(
  body: Uint8Array,
): Result<RegisterAnswer, RegisterResponseFault> {
  const parsed = parseObject(body);
  if (!parsed.ok) return parsed;
  const fields = parsed.value;
  const [error, authUrl] = [fields['Error'] ?? '', fields['AuthURL'] ?? ''];
  const nodeKeyExpired = fields['NodeKeyExpired'] ?? false;
  if (typeof error !== 'string' || typeof authUrl !== 'string') return fail('no-answer');
  if (typeof nodeKeyExpired !== 'boolean' || authUrl.length > MAX_URL_CHARS) {
    return fail('no-answer');
  }
  if (error !== '') return ok({ kind: 'refused', error: error.slice(0, MAX_ERROR_CHARS) });
  if (authUrl !== '' && !nodeKeyExpired) return ok({ kind: 'visit', authUrl });
  const { User, Login } = fields;
  if (!isObject(User) && !isObject(Login)) return fail('no-answer');
  const [user, login] = [isObject(User) ? User : {}, isObject(Login) ? Login : {}];
  const displayName = stringOf(login['DisplayName']) || stringOf(user['DisplayName']);
  return ok({
    kind: 'registered',
    user: {
      id: Number.isSafeInteger(user['ID']) ? (user['ID'] as number) : 0,
      loginName: stringOf(login['LoginName']),
      displayName,
      pictureUrl: stringOf(login['ProfilePicURL'], MAX_URL_CHARS),
    },
    nodeKeyExpired,
  });
}
