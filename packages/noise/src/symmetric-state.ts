/**
 * The SymmetricState of Noise for 25519, ChaChaPoly and BLAKE2s: a chaining key, a transcript hash and,
 * after the first Diffie-Hellman, a cipher key.
 *
 * Every pattern that malla uses mixes a key before it encrypts, so no key encrypts twice. The cipher's
 * counter is therefore always zero here and is not kept; a second use of a key throws.
 *
 * Source: The Noise Protocol Framework, revision 34, §5.2.
 */
import { concat, utf8 } from '@malla/base/bytes';
import { HASH_BYTES, KEY_BYTES, NONCE_BYTES, type NoiseCrypto, TAG_BYTES } from './crypto.ts';

const ZERO_NONCE = new Uint8Array(NONCE_BYTES);
const EMPTY = new Uint8Array();

/** The two keys at the end of a handshake, by direction of travel. */
export interface SplitKeys {
  readonly initiatorToResponder: Uint8Array;
  readonly responderToInitiator: Uint8Array;
}

export class SymmetricState {
  readonly #crypto: NoiseCrypto;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array | undefined;

  /** Starts with a protocol name of more than 32 characters, and a prologue of any length. */
  constructor(protocolName: string, prologue: Uint8Array, crypto: NoiseCrypto) {
    this.#crypto = crypto;
    this.#hash = crypto.hash(utf8(protocolName));
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
  }

  /** The same state, to go on from apart: for a message that may turn out to be nobody's. */
  copy(): SymmetricState {
    const copy = new SymmetricState('', EMPTY, this.#crypto);
    copy.#chainingKey = this.#chainingKey;
    copy.#hash = this.#hash;
    copy.#key = this.#key;
    return copy;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.hash(concat([this.#hash, data]));
  }

  mixKey(sharedSecret: Uint8Array): void {
    [this.#chainingKey, this.#key] = this.#derive(sharedSecret);
  }

  /** For a pre-shared key (§9.2: `MixKeyAndHash`). */
  mixKeyAndHash(input: Uint8Array): void {
    const out = this.#crypto.hkdf(this.#chainingKey, input, 2 * HASH_BYTES + KEY_BYTES);
    this.#chainingKey = out.subarray(0, HASH_BYTES);
    this.mixHash(out.subarray(HASH_BYTES, 2 * HASH_BYTES));
    this.#key = out.subarray(2 * HASH_BYTES);
  }

  /** Returns ciphertext and tag. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    this.#crypto.seal(this.#takeKey(), ZERO_NONCE, plaintext, sealed, this.#hash);
    this.mixHash(sealed);
    return sealed;
  }

  /** The plaintext, or undefined where it is not authentic: then the handshake is over. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#crypto.open(this.#takeKey(), ZERO_NONCE, sealed, this.#hash);
    if (plaintext !== undefined) this.mixHash(sealed);
    return plaintext;
  }

  split(): SplitKeys {
    const [initiatorToResponder, responderToInitiator] = this.#derive(EMPTY);
    return { initiatorToResponder, responderToInitiator };
  }

  /** Noise's HKDF with two outputs, which is that of RFC 5869 with an empty info. */
  #derive(input: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const out = this.#crypto.hkdf(this.#chainingKey, input, HASH_BYTES + KEY_BYTES);
    return [out.subarray(0, HASH_BYTES), out.subarray(HASH_BYTES)];
  }

  #takeKey(): Uint8Array {
    const key = this.#key;
    if (key === undefined) throw new Error('a Noise cipher key was used twice, or before a key');
    this.#key = undefined;
    return key;
  }
}
