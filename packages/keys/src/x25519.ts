/**
 * X25519 on raw 32-byte keys, on node:crypto. A private key is imported once and kept: importing
 * costs nearly as much as the operation itself, importing a public key next to nothing.
 *
 * Source: RFC 7748 §5 and §6.1.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

/** Length of a private key, a public key and a shared secret. */
export const X25519_BYTES = 32;

/** An X25519 private key ready for use, with its public half. */
export interface X25519Private {
  readonly key: KeyObject;
  /** 32 raw bytes. */
  readonly publicBytes: Uint8Array;
}

/** Clamps a copy of 32 random bytes into an X25519 private key (RFC 7748 §5). */
export function clamp(random: Uint8Array): Uint8Array {
  const out = Uint8Array.from(random);
  out[0] = (out[0] ?? 0) & 248;
  out[31] = ((out[31] ?? 0) & 127) | 64;
  return out;
}

/**
 * Imports 32 raw private bytes, clamped or not: the operation clamps. Throws on another length: that
 * is our own bug.
 */
export function importPrivate(raw: Uint8Array): X25519Private {
  if (raw.length !== X25519_BYTES) {
    throw new RangeError(`an X25519 private key has ${X25519_BYTES} bytes, not ${raw.length}`);
  }
  const key = createPrivateKey({ key: raw, format: 'raw-private', asymmetricKeyType: 'x25519' });
  const publicBytes = createPublicKey(key).export({ format: 'raw-public' });
  return { key, publicBytes: Uint8Array.from(publicBytes) };
}

/**
 * The shared secret with 32 raw public bytes, or undefined where the result is all zeros (a low-order
 * point, which an attacker may send) or the length is wrong. Never throws.
 */
export function sharedSecret(own: X25519Private, peerPublic: Uint8Array): Uint8Array | undefined {
  if (peerPublic.length !== X25519_BYTES) return undefined;
  const publicKey = createPublicKey({
    key: peerPublic,
    format: 'raw-public',
    asymmetricKeyType: 'x25519',
  });
  try {
    return diffieHellman({ privateKey: own.key, publicKey });
  } catch {
    return undefined; // OpenSSL refuses an all-zero result, as RFC 7748 §6.1 lets it
  }
}
