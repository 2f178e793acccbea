/** What WireGuard needs of cryptography, in plain JavaScript. */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2s } from '@noble/hashes/blake2.js';
import { MAC_BYTES, type TunnelCrypto } from '@malla/tunnel/crypto';
import { plainCrypto } from './noise.ts';

/** By @noble/ciphers and @noble/hashes. */
export const plainTunnelCrypto: TunnelCrypto = {
  ...plainCrypto,

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
