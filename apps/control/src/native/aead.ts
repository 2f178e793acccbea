/**
 * ChaCha20-Poly1305 on the EVP functions of OpenSSL, with two contexts that serve every connection: a
 * quarter of the time of node:crypto, which makes a cipher object for each record.
 *
 * The bytes are copied through an arena, so native code never sees memory that can move, and it may
 * overlap in any way. What is longer than the arena goes through it in pieces.
 *
 *     offset  size  field
 *          0    32  key
 *         32    12  nonce
 *         48     4  int that EVP_*Update and EVP_*Final_ex write
 *         56     8  bytes in this piece, as the 64 bits of an argument
 *         64    16  tag
 *         80    18  name of the cipher, and a zero
 *        128  4096  piece
 *
 * Source: RFC 8439 §2.8; OpenSSL's EVP_EncryptInit(3), "AEAD Interface".
 */
import { Buffer } from 'node:buffer';
import { type Aead, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '@malla/noise/crypto';
import { openProcess } from './process-library.ts';

const CIPHER = 'ChaCha20-Poly1305';

const NONCE = 32;
const WRITTEN = 48;
const LENGTH = 56;
const TAG = 64;
const NAME = 80;
const PIECE = 128;
/** More than the plaintext of any record, so that each goes in one. */
const PIECE_BYTES = 4096;

const GET_TAG = 0x10n;
const SET_TAG = 0x11n;
const TAG_LENGTH = BigInt(TAG_BYTES);
const NULL = 0n;

const P = 'pointer';
const DEFINITIONS = {
  EVP_CIPHER_fetch: { return: P, arguments: [P, P, P] },
  EVP_CIPHER_CTX_new: { return: P, arguments: [] },
  /** (context, cipher, key, nonce, params), 1 for success as all that follow. */
  EVP_EncryptInit_ex2: { return: 'i32', arguments: [P, P, P, P, P] },
  EVP_DecryptInit_ex2: { return: 'i32', arguments: [P, P, P, P, P] },
  /** (context, out, out length, in, in length) */
  EVP_EncryptUpdate: { return: 'i32', arguments: [P, P, P, P, P] },
  EVP_DecryptUpdate: { return: 'i32', arguments: [P, P, P, P, P] },
  /** (context, out, out length) */
  EVP_EncryptFinal_ex: { return: 'i32', arguments: [P, P, P] },
  EVP_DecryptFinal_ex: { return: 'i32', arguments: [P, P, P] },
  /** (context, command, argument, pointer) */
  EVP_CIPHER_CTX_ctrl: { return: 'i32', arguments: [P, P, P, P] },
  ERR_clear_error: { return: 'void', arguments: [] },
} as const;

/** Makes one, to be kept as long as the process. Throws an Error that says why it cannot. */
export function createFfiAead(): Aead {
  return new FfiAead();
}

class FfiAead implements Aead {
  readonly #library = openProcess(DEFINITIONS, PIECE + PIECE_BYTES);
  readonly #call = this.#library.functions;
  readonly #key = this.#view(0, KEY_BYTES);
  readonly #nonce = this.#view(NONCE, NONCE_BYTES);
  readonly #tag = this.#view(TAG, TAG_BYTES);
  readonly #piece = this.#view(PIECE, PIECE_BYTES);
  /** Reading a bigint is 4 ns; making one of a number is 15. */
  readonly #length = new BigUint64Array(this.#library.arena.bytes.buffer, LENGTH, 1);
  readonly #lengthLow = new Uint32Array(this.#library.arena.bytes.buffer, LENGTH, 1);
  readonly #keyAt = this.#address(0);
  readonly #nonceAt = this.#address(NONCE);
  readonly #writtenAt = this.#address(WRITTEN);
  readonly #tagAt = this.#address(TAG);
  readonly #pieceAt = this.#address(PIECE);
  readonly #sealing: bigint;
  readonly #opening: bigint;

  constructor() {
    this.#library.arena.bytes.set(Buffer.from(`${CIPHER}\0`), NAME);
    const call = this.#call;
    const cipher = call.EVP_CIPHER_fetch(NULL, this.#address(NAME), NULL);
    if (cipher === NULL) throw new Error(`OpenSSL has no ${CIPHER}`);
    this.#sealing = call.EVP_CIPHER_CTX_new();
    this.#opening = call.EVP_CIPHER_CTX_new();
    if (this.#sealing === NULL || this.#opening === NULL) throw new Error('no memory for OpenSSL');
    check(call.EVP_EncryptInit_ex2(this.#sealing, cipher, NULL, NULL, NULL));
    check(call.EVP_DecryptInit_ex2(this.#opening, cipher, NULL, NULL, NULL));
  }

  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    if (out.length !== plaintext.length + TAG_BYTES) {
      throw new RangeError(`${out.length} bytes to seal ${plaintext.length} into`);
    }
    const call = this.#call;
    const context = this.#sealing;
    this.#begin(key, nonce);
    check(call.EVP_EncryptInit_ex2(context, NULL, this.#keyAt, this.#nonceAt, NULL));
    for (let at = 0; at < plaintext.length; at += PIECE_BYTES) {
      const bytes = this.#load(plaintext, at, plaintext.length);
      check(call.EVP_EncryptUpdate(context, this.#pieceAt, this.#writtenAt, this.#pieceAt, bytes));
      this.#unload(out, at, plaintext.length);
    }
    check(call.EVP_EncryptFinal_ex(context, this.#pieceAt, this.#writtenAt));
    check(call.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG_LENGTH, this.#tagAt));
    out.set(this.#tag, plaintext.length);
  }

  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - TAG_BYTES;
    if (length < 0) return undefined;
    const plaintext = Buffer.allocUnsafeSlow(length);
    const call = this.#call;
    const context = this.#opening;
    this.#begin(key, nonce);
    this.#tag.set(sealed.subarray(length));
    check(call.EVP_DecryptInit_ex2(context, NULL, this.#keyAt, this.#nonceAt, NULL));
    check(call.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG_LENGTH, this.#tagAt));
    for (let at = 0; at < length; at += PIECE_BYTES) {
      const bytes = this.#load(sealed, at, length);
      check(call.EVP_DecryptUpdate(context, this.#pieceAt, this.#writtenAt, this.#pieceAt, bytes));
      this.#unload(plaintext, at, length);
    }
    if (call.EVP_DecryptFinal_ex(context, this.#pieceAt, this.#writtenAt) === 1) return plaintext;
    // Or the next user of OpenSSL on this thread might take it for its own failure.
    call.ERR_clear_error();
    return undefined;
  }

  #begin(key: Uint8Array, nonce: Uint8Array): void {
    if (key.length !== KEY_BYTES) throw new RangeError(`a key of ${key.length} bytes`);
    if (nonce.length !== NONCE_BYTES) throw new RangeError(`a nonce of ${nonce.length} bytes`);
    this.#key.set(key);
    this.#nonce.set(nonce);
  }

  /** Copies the next piece of the first `length` bytes in, and returns how long it is. */
  #load(from: Uint8Array, at: number, length: number): bigint {
    const end = Math.min(at + PIECE_BYTES, length);
    this.#piece.set(end - at === from.length ? from : from.subarray(at, end));
    this.#lengthLow[0] = end - at;
    return this.#length[0] ?? NULL;
  }

  #unload(to: Uint8Array, at: number, length: number): void {
    to.set(this.#piece.subarray(0, Math.min(PIECE_BYTES, length - at)), at);
  }

  #view(offset: number, bytes: number): Uint8Array {
    return this.#library.arena.bytes.subarray(offset, offset + bytes);
  }

  #address(offset: number): bigint {
    return this.#library.arena.address + BigInt(offset);
  }
}

function check(result: number): void {
  if (result !== 1) throw new Error('OpenSSL refused what it accepted before');
}
