/**
 * The primitives that Noise stands on, as an argument: `@malla/platform/crypto/noise` has them on
 * node:crypto, `@malla/plain-crypto/noise` in plain JavaScript. X25519 comes with the keys.
 *
 * Sealing is what a broadcast to many clients spends its time on, so the record layer takes an
 * {@link Aead} of its own, which may be faster than the handshake's.
 *
 * Source: RFC 8439 §2.8 (ChaCha20-Poly1305), RFC 7693 (BLAKE2s), RFC 5869 (HKDF).
 */

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
/** Of BLAKE2s-256. */
export const HASH_BYTES = 32;

/**
 * What the record layer needs: no associated data, one call a record. Nothing is kept between calls, so
 * that one serves every connection; keys and nonces are only borrowed.
 */
export interface Aead {
  /**
   * Fills `out` with ciphertext and tag: it is exactly {@link TAG_BYTES} longer than `plaintext`, which
   * may be the beginning of `out` itself.
   */
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  /** The plaintext in new memory, or undefined where it is not authentic. Never throws, whatever `sealed` holds. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** What the handshake needs. */
export interface NoiseCrypto {
  /** {@link Aead.seal} with associated data. */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    associated?: Uint8Array,
  ): void;
  /** {@link Aead.open} with associated data. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associated?: Uint8Array,
  ): Uint8Array | undefined;
  /** BLAKE2s-256. */
  hash(bytes: Uint8Array): Uint8Array;
  /** HKDF on BLAKE2s-256 with an empty info: so many bytes. */
  hkdf(salt: Uint8Array, input: Uint8Array, bytes: number): Uint8Array;
}
