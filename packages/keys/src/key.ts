/**
 * The typed keys of the protocol and their text forms: a prefix and lowercase hex. Public keys travel
 * through state and JSON as branded text, so that a machine key can never be used as a node key;
 * cryptography takes the 32 raw bytes.
 *
 * Source: docs/protocol/keys.md. Parsers accept upper-case hex too; the result is always lowercase.
 */
import { fromHex, toHex } from '@malla/base/hex';
import { fail, ok, type Result } from '@malla/base/result';

declare const brand: unique symbol;
type Text<Prefix extends string> = `${Prefix}:${string}` & { readonly [brand]: Prefix };

/** Identifies a device to control, through Noise. X25519 public key, 32 bytes. */
export type MachinePublic = Text<'mkey'>;
/** Identifies a node to its peers: the WireGuard and DERP key. X25519 public key, 32 bytes. */
export type NodePublic = Text<'nodekey'>;
/** Per-process key of path discovery. X25519 public key, 32 bytes. */
export type DiscoPublic = Text<'discokey'>;
/** Challenge of the early payload. X25519 public key, 32 bytes. */
export type ChallengePublic = Text<'chalpub'>;
/** A private key, machine or node (the context decides). 32 bytes, clamped. Never log one. */
export type PrivateText = Text<'privkey'>;

type AnyPublic = {
  mkey: MachinePublic;
  nodekey: NodePublic;
  discokey: DiscoPublic;
  chalpub: ChallengePublic;
  privkey: PrivateText;
};
export type KeyPrefix = keyof AnyPublic;
/** The key whose text begins with that prefix. */
export type KeyOf<P extends KeyPrefix> = AnyPublic[P];

export const KEY_BYTES = 32;

/** Parses a key of the given kind; a wrong prefix, length or character is a fault. Never throws. */
export function parseKey<P extends KeyPrefix>(
  prefix: P,
  text: unknown,
): Result<AnyPublic[P], 'not-a-key'> {
  if (typeof text !== 'string' || text.length !== prefix.length + 1 + KEY_BYTES * 2) {
    return fail('not-a-key');
  }
  if (!text.startsWith(`${prefix}:`)) return fail('not-a-key');
  const hex = text.slice(prefix.length + 1);
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) return fail('not-a-key');
  return ok(`${prefix}:${hex.toLowerCase()}` as AnyPublic[P]);
}

/** The text form of 32 raw bytes. Throws on another length: that is our own bug. */
export function formatKey<P extends KeyPrefix>(prefix: P, raw: Uint8Array): AnyPublic[P] {
  if (raw.length !== KEY_BYTES) throw new RangeError(`a ${prefix} has 32 bytes, not ${raw.length}`);
  return `${prefix}:${toHex(raw)}` as AnyPublic[P];
}

/** The 32 raw bytes of a parsed key. */
export function keyBytes(key: AnyPublic[KeyPrefix]): Uint8Array {
  const bytes = fromHex(key.slice(key.indexOf(':') + 1));
  if (!bytes.ok) throw new TypeError('a parsed key is hex');
  return bytes.value;
}

/** Whether the key is the all-zero "no key", which clients send as `OldNodeKey`. */
export function isZeroKey(key: AnyPublic[KeyPrefix]): boolean {
  return /:0{64}$/.test(key);
}
