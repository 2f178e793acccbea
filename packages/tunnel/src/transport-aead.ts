/**
 * The cipher of packets, as an argument: ChaCha20-Poly1305 in place, in memory of the caller's, without
 * associated data. Its nonce is four zero bytes and the counter, little-endian.
 *
 * A key is imported once for a session. So an implementation may keep a context of a native library with it,
 * and seal many packets in one call; {@link transportAead} makes one of any {@link Aead}, with some garbage
 * for each packet.
 *
 * Source: WireGuard paper §5.4.6; RFC 8439 §2.8.
 */
import { type Aead, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '@malla/noise/crypto';
import { writeUint64 } from './little-endian.ts';

/** A key that is ready for use, in one direction. */
export interface TransportKey {
  /**
   * Seals the `length` bytes at `at` in place; the tag, {@link TAG_BYTES} long, goes behind them. `counter` is
   * never used twice.
   */
  seal(counter: number, bytes: Uint8Array, at: number, length: number): void;
  /** {@link seal} for the first `count` of `ats` and `lengths`, with counters one after the other. */
  sealBatch(
    counter: number,
    bytes: Uint8Array,
    ats: Uint32Array,
    lengths: Uint32Array,
    count: number,
  ): void;
  /**
   * Opens the `length` bytes at `at` in place, their tag among them. False where they are not authentic: then
   * what lies there is worth nothing. Never throws.
   */
  open(counter: number, bytes: Uint8Array, at: number, length: number): boolean;
  /** Overwrites the key. It is not used any more. */
  forget(): void;
}

/** Imports a key of {@link KEY_BYTES}, which is only borrowed. */
export interface TransportAead {
  importKey(key: Uint8Array): TransportKey;
}

/** Packets sealed one by one with a cipher that takes any key. */
export function transportAead(aead: Aead): TransportAead {
  return { importKey: (key) => new SingleKey(aead, key) };
}

class SingleKey implements TransportKey {
  readonly #aead: Aead;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  constructor(aead: Aead, key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
    this.#aead = aead;
    this.#key = Uint8Array.from(key);
  }

  seal(counter: number, bytes: Uint8Array, at: number, length: number): void {
    const out = bytes.subarray(at, at + length + TAG_BYTES);
    this.#aead.seal(this.#key, this.#nonceOf(counter), out.subarray(0, length), out);
  }

  sealBatch(
    counter: number,
    bytes: Uint8Array,
    ats: Uint32Array,
    lengths: Uint32Array,
    count: number,
  ): void {
    for (let i = 0; i < count; i++) this.seal(counter + i, bytes, ats[i] ?? 0, lengths[i] ?? 0);
  }

  open(counter: number, bytes: Uint8Array, at: number, length: number): boolean {
    const sealed = bytes.subarray(at, at + length);
    const opened = this.#aead.open(this.#key, this.#nonceOf(counter), sealed);
    if (opened === undefined) return false;
    bytes.set(opened, at);
    return true;
  }

  forget(): void {
    this.#key.fill(0);
  }

  #nonceOf(counter: number): Uint8Array {
    writeUint64(this.#nonce, 4, counter);
    return this.#nonce;
  }
}
