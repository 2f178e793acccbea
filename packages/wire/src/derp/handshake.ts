/**
 * The three frames that open a DERP connection. The server names its key in the clear; then each side
 * proves that it holds its private key by sealing a JSON object for the other (NaCl box).
 *
 *     ServerKey   magic 8 | server public key 32 | bytes of the future
 *     ClientInfo  client public key 32 | nonce 24 | box of ClientInfo JSON
 *     ServerInfo  nonce 24 | box of ServerInfo JSON
 *
 * Source: docs/protocol/derp.md §3. Unknown JSON fields are ignored.
 */
import { utf8 } from '@malla/base/bytes';
import { fromHex, toHex } from '@malla/base/hex';
import { fail, ok, type Result } from '@malla/base/result';
import { KEY_BYTES } from '@malla/keys/key';
import { boxOpen, boxSeal } from '@malla/keys/nacl-box';
import type { X25519Private } from '@malla/keys/x25519';
import { lineOf, parseObject } from '../tailcfg/json.ts';
import { encodeFrame, FrameType, MAX_CLIENT_INFO_BYTES } from './frame.ts';

/** `DERP` and U+1F511 in UTF-8. */
export const DERP_MAGIC: Uint8Array = utf8('DERP🔑');

/** What a client says about itself. */
export interface ClientInfo {
  /** The client's DERP version, 0 where it says none; a server talks to any. */
  readonly version: number;
  /** Proves a mesh peer: the 32 bytes that all servers of a region share. */
  readonly meshKey?: Uint8Array;
  readonly canAckPings: boolean;
  /** A monitoring probe: not counted as a user. */
  readonly isProber: boolean;
  /** Free text of an embedding program, at most {@link MAX_APP_NAME_CHARS}. */
  readonly appName?: string;
}

export const MAX_APP_NAME_CHARS = 128;

/** What a server says about itself: its version and the rate it lets one client send at. */
export interface ServerInfo {
  readonly version: number;
  readonly tokenBucketBytesPerSecond?: number;
  readonly tokenBucketBytesBurst?: number;
}

export type HandshakeFault =
  | 'short'
  | 'too-long'
  | 'bad-magic'
  | 'bad-key'
  | 'not-authentic'
  | 'bad-json';

/** The ServerKey frame. */
export function encodeServerKey(serverPublic: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.serverKey, DERP_MAGIC, serverPublic);
}

/** The 32-byte public key in the body of a ServerKey frame. */
export function decodeServerKey(body: Uint8Array): Result<Uint8Array, HandshakeFault> {
  if (body.length < DERP_MAGIC.length + KEY_BYTES) return fail('short');
  if (DERP_MAGIC.some((byte, i) => body[i] !== byte)) return fail('bad-magic');
  return ok(new Uint8Array(body.subarray(DERP_MAGIC.length, DERP_MAGIC.length + KEY_BYTES)));
}

/** The ClientInfo frame, sealed with 24 fresh random bytes. */
export function encodeClientInfo(
  client: X25519Private,
  serverPublic: Uint8Array,
  nonce: Uint8Array,
  info: ClientInfo,
): Uint8Array {
  const json = {
    ...(info.meshKey && { meshKey: toHex(info.meshKey) }),
    version: info.version,
    CanAckPings: info.canAckPings,
    ...(info.isProber && { IsProber: true }),
    ...(info.appName !== undefined && { AppName: info.appName }),
  };
  const sealed = boxSeal(client, serverPublic, nonce, utf8(JSON.stringify(json)));
  return encodeFrame(FrameType.clientInfo, client.publicBytes, sealed);
}

/** Opens the body of a ClientInfo frame: who the client is, proven, and what it says. Never throws. */
export function decodeClientInfo(
  server: X25519Private,
  body: Uint8Array,
): Result<{ readonly publicKey: Uint8Array; readonly info: ClientInfo }, HandshakeFault> {
  if (body.length > MAX_CLIENT_INFO_BYTES) return fail('too-long');
  if (body.length < KEY_BYTES) return fail('short');
  const publicKey = new Uint8Array(body.subarray(0, KEY_BYTES));
  const opened = boxOpen(server, publicKey, body.subarray(KEY_BYTES));
  if (!opened.ok) return opened;
  const json = parseObject(opened.value);
  if (!json.ok) return fail('bad-json');
  const { version, meshKey, AppName, CanAckPings, IsProber } = json.value;
  const appName = lineOf(AppName, MAX_APP_NAME_CHARS);
  const mesh = typeof meshKey === 'string' && meshKey !== '' ? fromHex(meshKey) : undefined;
  if (mesh !== undefined && (!mesh.ok || mesh.value.length !== KEY_BYTES)) return fail('bad-json');
  const info: ClientInfo = {
    version: typeof version === 'number' ? version : 0,
    ...(mesh?.ok && { meshKey: mesh.value }),
    canAckPings: CanAckPings === true,
    isProber: IsProber === true,
    ...(appName !== '' && { appName }),
  };
  return ok({ publicKey, info });
}

/** The ServerInfo frame, sealed with 24 fresh random bytes. Throws for a low-order client key. */
export function encodeServerInfo(
  server: X25519Private,
  clientPublic: Uint8Array,
  nonce: Uint8Array,
  info: ServerInfo,
): Uint8Array {
  const json = {
    version: info.version,
    TokenBucketBytesPerSecond: info.tokenBucketBytesPerSecond,
    TokenBucketBytesBurst: info.tokenBucketBytesBurst,
  };
  return encodeFrame(
    FrameType.serverInfo,
    boxSeal(server, clientPublic, nonce, utf8(JSON.stringify(json))),
  );
}

/** Opens the body of a ServerInfo frame. Never throws. */
export function decodeServerInfo(
  client: X25519Private,
  serverPublic: Uint8Array,
  body: Uint8Array,
): Result<ServerInfo, HandshakeFault> {
  const opened = boxOpen(client, serverPublic, body);
  if (!opened.ok) return opened;
  const json = parseObject(opened.value);
  if (!json.ok) return fail('bad-json');
  const { version, TokenBucketBytesPerSecond: rate, TokenBucketBytesBurst: burst } = json.value;
  if (typeof version !== 'number') return fail('bad-json');
  return ok({
    version,
    ...(typeof rate === 'number' && { tokenBucketBytesPerSecond: rate }),
    ...(typeof burst === 'number' && { tokenBucketBytesBurst: burst }),
  });
}
