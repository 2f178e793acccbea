/**
 * X25519 on raw 32-byte keys. A private key carries the operation with it, by whatever implementation
 * imported it: `@malla/platform/crypto/x25519` on node:crypto, `@malla/plain-crypto/x25519` in plain
 * JavaScript. So nothing here, and nobody who is given a key, depends on where it runs.
 *
 * Source: RFC 7748 §5 and §6.1.
 */

/** Length of a private key, a public key and a shared secret. */
export const X25519_BYTES = 32;

/** An X25519 private key ready for use, with its public half. */
export interface X25519Private {
  /** 32 raw bytes. */
  readonly publicBytes: Uint8Array;
  /**
   * The shared secret with 32 raw public bytes, or undefined where the result is all zeros (a low-order
   * point, which an attacker may send) or the length is wrong. Never throws.
   */
  readonly sharedSecret: (peerPublic: Uint8Array) => Uint8Array | undefined;
}

/**
 * Imports 32 raw private bytes, clamped or not: the operation clamps. Throws on another length: that is
 * our own bug.
 */
export type ImportPrivate = (raw: Uint8Array) => X25519Private;

/** Clamps a copy of 32 random bytes into an X25519 private key (RFC 7748 §5). */
export function clamp(random: Uint8Array): Uint8Array {
  const out = Uint8Array.from(random);
  out[0] = (out[0] ?? 0) & 248;
  out[31] = ((out[31] ?? 0) & 127) | 64;
  return out;
}
