/** X25519 in plain JavaScript: some thirty times as long an operation as on node:crypto. */
import { x25519 } from '@noble/curves/ed25519.js';
import { X25519_BYTES, type X25519Private } from '@malla/keys/x25519';

/** Imports a private key: see {@link ImportPrivate} in `@malla/keys/x25519`. */
export function importPrivate(raw: Uint8Array): X25519Private {
  if (raw.length !== X25519_BYTES) {
    throw new RangeError(`an X25519 private key has ${X25519_BYTES} bytes, not ${raw.length}`);
  }
  const key = Uint8Array.from(raw);
  return {
    publicBytes: x25519.getPublicKey(key),
    sharedSecret: (peerPublic) => {
      if (peerPublic.length !== X25519_BYTES) return undefined;
      try {
        return x25519.getSharedSecret(key, Uint8Array.from(peerPublic));
      } catch {
        return undefined; // it refuses an all-zero result
      }
    },
  };
}
