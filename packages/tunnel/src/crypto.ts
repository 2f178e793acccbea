/**
 * The primitives that handshakes stand on, as an argument: what Noise needs, and what keeps floods off.
 * `@malla/platform/crypto/tunnel` has them on node:crypto, `@malla/plain-crypto/tunnel` in plain JavaScript.
 * X25519 comes with the keys, the cipher of packets as `transport-aead.ts`.
 *
 * Source: WireGuard paper §5.4; RFC 7693 §2.9 (keyed BLAKE2s), draft-irtf-cfrg-xchacha-03 §2.3.
 */
import type { NoiseCrypto } from '@malla/noise/crypto';

/** Of a mac and of a cookie: keyed BLAKE2s with so many bytes. */
export const MAC_BYTES = 16;
/** Of XChaCha20-Poly1305. */
export const XNONCE_BYTES = 24;

/** What handshakes and cookies need. */
export interface TunnelCrypto extends NoiseCrypto {
  /** `Mac` of the paper: keyed BLAKE2s of {@link MAC_BYTES}, with a key of 1 to 32 bytes. */
  mac(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** XChaCha20-Poly1305 with a nonce of {@link XNONCE_BYTES}: ciphertext and tag, in new memory. */
  xSeal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associated: Uint8Array,
  ): Uint8Array;
  /** What {@link xSeal} sealed, in new memory, or undefined where it is not authentic. Never throws. */
  xOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associated: Uint8Array,
  ): Uint8Array | undefined;
}
