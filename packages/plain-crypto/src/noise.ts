/** What Noise needs of cryptography, in plain JavaScript. */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2s } from '@noble/hashes/blake2.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { type NoiseCrypto, TAG_BYTES } from '@malla/noise/crypto';

/** By @noble/ciphers and @noble/hashes. */
export const plainCrypto: NoiseCrypto = {
  seal(key, nonce, plaintext, out, associated) {
    // Where the text lies in `out` already, the library would refuse it.
    const text = plaintext.buffer === out.buffer ? plaintext.slice() : plaintext;
    chacha20poly1305(key, nonce, associated).encrypt(text, out);
  },

  open(key, nonce, sealed, associated) {
    if (sealed.length < TAG_BYTES) return undefined;
    try {
      return chacha20poly1305(key, nonce, associated).decrypt(sealed);
    } catch {
      return undefined;
    }
  },

  hash(bytes) {
    return blake2s(bytes);
  },

  hkdf(salt, input, bytes) {
    return hkdf(blake2s, input, salt, undefined, bytes);
  },
};
