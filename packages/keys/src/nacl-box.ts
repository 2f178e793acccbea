/**
 * NaCl box with the nonce in front: how DERP's info frames and disco messages are sealed between two
 * X25519 keys.
 *
 *      0       24       40
 *     +-------+--------+------------+
 *     | nonce | tag    | ciphertext |
 *     +-------+--------+------------+
 *
 * The key is HSalsa20 of the X25519 shared secret, the cipher XSalsa20-Poly1305. Both directions of a
 * pair share one key, so a nonce is never used twice by either side: it is 24 random bytes.
 *
 * Source: docs/protocol/keys.md §3; Bernstein, "Cryptography in NaCl" (2009), §§7-10.
 */
import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import type { X25519Private } from './x25519.ts';

export const BOX_NONCE_BYTES = 24;
export const BOX_TAG_BYTES = 16;
/** What sealing adds: the nonce and the tag. */
export const BOX_OVERHEAD_BYTES = BOX_NONCE_BYTES + BOX_TAG_BYTES;

declare const brand: unique symbol;
/** The key that two X25519 keys share, for any number of boxes in both directions. Secret. */
export type BoxKey = Uint8Array & { readonly [brand]: 'box' };

export type OpenFault = 'short' | 'not-authentic';

const SIGMA = words(utf8('expand 32-byte k'));
const ZERO_INPUT = new Uint32Array(4);

/**
 * Derives the key shared with a peer, or undefined where the peer's key is of low order. Costs one
 * X25519; keep the result for as long as the pair of keys lives.
 */
export function boxKey(own: X25519Private, peerPublic: Uint8Array): BoxKey | undefined {
  const secret = own.sharedSecret(peerPublic);
  if (secret === undefined) return undefined;
  const out = new Uint32Array(8);
  hsalsa(SIGMA, words(secret), ZERO_INPUT, out);
  return new Uint8Array(out.buffer) as BoxKey;
}

/** Seals with a key from {@link boxKey}; returns nonce, tag and ciphertext in one new array. */
export function boxSealWith(key: BoxKey, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  // The cipher wants 16 bytes of scratch before the tag. They are in the nonce's place, which is
  // filled in afterwards; so nothing is copied.
  const sealed = new Uint8Array(BOX_OVERHEAD_BYTES + plaintext.length);
  xsalsa20poly1305(key, nonce).encrypt(plaintext, sealed.subarray(BOX_NONCE_BYTES - 16));
  sealed.set(nonce);
  return sealed;
}

/** Opens what {@link boxSealWith} or an official peer sealed, into a new array. Never throws. */
export function boxOpenWith(key: BoxKey, sealed: Uint8Array): Result<Uint8Array, OpenFault> {
  if (sealed.length < BOX_OVERHEAD_BYTES) return fail('short');
  const cipher = xsalsa20poly1305(key, sealed.subarray(0, BOX_NONCE_BYTES));
  try {
    return ok(cipher.decrypt(sealed.subarray(BOX_NONCE_BYTES)));
  } catch {
    return fail('not-authentic');
  }
}

/** Seals one box for a peer. Throws where the peer's key is of low order: check it when it arrives. */
export function boxSeal(
  own: X25519Private,
  peerPublic: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const key = boxKey(own, peerPublic);
  if (key === undefined) throw new RangeError('cannot seal a box for a low-order public key');
  return boxSealWith(key, nonce, plaintext);
}

/** Opens one box from a peer, whatever the bytes and the claimed key. Never throws. */
export function boxOpen(
  own: X25519Private,
  peerPublic: Uint8Array,
  sealed: Uint8Array,
): Result<Uint8Array, OpenFault | 'bad-key'> {
  if (sealed.length < BOX_OVERHEAD_BYTES) return fail('short');
  const key = boxKey(own, peerPublic);
  if (key === undefined) return fail('bad-key');
  return boxOpenWith(key, sealed);
}

/** The bytes as words of the machine's order, copied so that they are aligned. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}
