/**
 * tailcfg.RegisterRequest and RegisterResponse: `POST /machine/register` inside Noise.
 *
 * Source: docs/protocol/control.md §Registration. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { ZERO_TIME } from '@malla/base/zero-time';
import { isZeroKey, type NodePublic, parseKey } from '@malla/keys/key';
import { decodeHostinfo, type Hostinfo } from './hostinfo.ts';
import { isObject, type JsonFault, parseObject, stringOf, timeOf, uint16Of } from './json.ts';

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
    ...(answer.kind === 'refused' ? { Error: answer.error } : {}),
  });
}
