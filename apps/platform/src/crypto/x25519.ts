/**
 * X25519 on node:crypto. A private key is imported once and kept: importing costs nearly as much as the
 * operation itself, importing a public key next to nothing.
 */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { X25519_BYTES, type X25519Private } from '@malla/keys/x25519';

/** Imports a private key: see {@link ImportPrivate} in `@malla/keys/x25519`. */
export function importPrivate(raw: Uint8Array): X25519Private {
  if (raw.length !== X25519_BYTES) {
    throw new RangeError(`an X25519 private key has ${X25519_BYTES} bytes, not ${raw.length}`);
  }
  const privateKey = createPrivateKey({
    key: raw,
    format: 'raw-private',
    asymmetricKeyType: 'x25519',
  });
  const publicBytes = createPublicKey(privateKey).export({ format: 'raw-public' });
  return {
    publicBytes: Uint8Array.from(publicBytes),
    sharedSecret: (peerPublic) => {
      if (peerPublic.length !== X25519_BYTES) return undefined;
      const publicKey = createPublicKey({
        key: peerPublic,
        format: 'raw-public',
        asymmetricKeyType: 'x25519',
      });
      try {
        return diffieHellman({ privateKey, publicKey });
      } catch {
        return undefined; // OpenSSL refuses an all-zero result, as RFC 7748 §6.1 lets it
      }
    },
  };
}
