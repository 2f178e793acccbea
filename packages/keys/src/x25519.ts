/**
 * X25519 on raw 32-byte keys, on node:crypto. Private keys are imported once: importing costs as much
 * as the operation (docs/performance.md).
 *
 * Source: RFC 7748 §5 and §6.1.
 */
import { Buffer } from 'node:buffer';
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

const PKCS8_PREFIX = Uint8Array.fromHex('302e020100300506032b656e04220420');
const SPKI_PREFIX = Uint8Array.fromHex('302a300506032b656e032100');

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

/** Imports 32 raw private bytes. Throws on another length: that is our own bug. */
export function importPrivate(raw: Uint8Array): X25519Private {
  if (raw.length !== 32)
    throw new RangeError(`an X25519 private key has 32 bytes, not ${raw.length}`);
  const der = new Uint8Array(PKCS8_PREFIX.length + 32);
  der.set(PKCS8_PREFIX);
  der.set(raw, PKCS8_PREFIX.length);
  const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { key, publicBytes: Uint8Array.from(spki.subarray(SPKI_PREFIX.length)) };
}

/**
 * The shared secret with 32 raw public bytes, or undefined where the result is all zeros (a low-order
 * point, which an attacker may send). Never throws on any 32 bytes.
 */
export function sharedSecret(own: X25519Private, peerPublic: Uint8Array): Uint8Array | undefined {
  const spki = new Uint8Array(SPKI_PREFIX.length + 32);
  spki.set(SPKI_PREFIX);
  spki.set(peerPublic, SPKI_PREFIX.length);
  try {
    const publicKey = createPublicKey({
      key: Buffer.from(spki.buffer),
      format: 'der',
      type: 'spki',
    });
    const secret = diffieHellman({ privateKey: own.key, publicKey });
    return secret.some((byte) => byte !== 0) ? secret : undefined;
  } catch {
    return undefined; // OpenSSL refuses an all-zero result itself
  }
}
