/**
 * What WireGuard needs of cryptography, on node:crypto. That has neither keyed BLAKE2s nor XChaCha20: macs and
 * cookies are by the @noble libraries, at 4 µs a mac; they are two a handshake, which costs a hundred times as much.
 */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2s } from '@noble/hashes/blake2.js';
import { MAC_BYTES, type TunnelCrypto } from '@malla/tunnel/crypto';
import { nodeCrypto } from './noise.ts';

/** By the OpenSSL of this Node, and what it lacks in JavaScript. */
export const nodeTunnelCrypto: TunnelCrypto = {
  ...nodeCrypto,

  mac(key, bytes) {
    return blake2s(bytes, { key, dkLen: MAC_BYTES });
  },

  xSeal(key, nonce, plaintext, associated) {
    return xchacha20poly1305(key, nonce, associated).encrypt(plaintext);
  },

  xOpen(key, nonce, sealed, associated) {
    try {
      return xchacha20poly1305(key, nonce, associated).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};
