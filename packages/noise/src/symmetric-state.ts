/**
 * The SymmetricState of Noise for 25519, ChaChaPoly and BLAKE2s: a chaining key, a transcript hash and,
 * after the first Diffie-Hellman, a cipher key.
 *
 * Every message token of the patterns that malla uses mixes a key before it encrypts, and no key encrypts
 * twice. So the cipher's counter is always zero here and is not kept; a second use of a key throws.
 *
 * Source: The Noise Protocol Framework, revision 34, §5.2.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { utf8 } from '@malla/base/bytes';

export const HASH_BYTES = 32;
export const TAG_BYTES = 16;

const CIPHER = 'chacha20-poly1305';
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES } as const;
const HASH = 'blake2s256';
const ZERO_NONCE = new Uint8Array(12);
const EMPTY = new Uint8Array();

/** The two keys at the end of a handshake, by direction of travel. */
export interface SplitKeys {
  readonly initiatorToResponder: Uint8Array;
  readonly responderToInitiator: Uint8Array;
}

export class SymmetricState {
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array | undefined;

  /** Starts with a protocol name of at least 32 characters, and a prologue of any length. */
  constructor(protocolName: string, prologue: Uint8Array) {
    this.#hash = createHash(HASH).update(utf8(protocolName)).digest();
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = createHash(HASH).update(this.#hash).update(data).digest();
  }

  mixKey(sharedSecret: Uint8Array): void {
    const [chainingKey, key] = this.#derive(sharedSecret);
    this.#chainingKey = chainingKey;
    this.#key = key;
  }

  /** Returns ciphertext and tag. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const cipher = createCipheriv(CIPHER, this.#takeKey(), ZERO_NONCE, CIPHER_OPTIONS);
    cipher.setAAD(this.#hash, { plaintextLength: plaintext.length });
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    this.mixHash(sealed);
    return sealed;
  }

  /** The plaintext, or undefined where it is not authentic: then the handshake is over. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintextBytes = sealed.length - TAG_BYTES;
    if (plaintextBytes < 0) return undefined;
    const cipher = createDecipheriv(CIPHER, this.#takeKey(), ZERO_NONCE, CIPHER_OPTIONS);
    cipher.setAAD(this.#hash, { plaintextLength: plaintextBytes });
    cipher.setAuthTag(sealed.subarray(plaintextBytes));
    const plaintext = cipher.update(sealed.subarray(0, plaintextBytes));
    try {
      cipher.final();
    } catch {
      return undefined;
    }
    this.mixHash(sealed);
    return plaintext;
  }

  split(): SplitKeys {
    const [initiatorToResponder, responderToInitiator] = this.#derive(EMPTY);
    return { initiatorToResponder, responderToInitiator };
  }

  /** Noise's HKDF with two outputs, which is RFC 5869 with an empty info. */
  #derive(input: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const out = new Uint8Array(hkdfSync(HASH, input, this.#chainingKey, EMPTY, 2 * HASH_BYTES));
    return [out.subarray(0, HASH_BYTES), out.subarray(HASH_BYTES)];
  }

  #takeKey(): Uint8Array {
    const key = this.#key;
    if (key === undefined) throw new Error('a Noise cipher key was used twice, or before a key');
    this.#key = undefined;
    return key;
  }
}
