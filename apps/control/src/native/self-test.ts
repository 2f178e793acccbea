/**
 * What an implementation must get right before it carries anything. It runs at every start, because the
 * functions underneath are those of whatever node binary there is; it takes a few milliseconds.
 */
import { zstdDecompressSync } from 'node:zlib';
import { equalBytes } from '@malla/base/bytes';
import { type Aead, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from '@malla/noise/crypto';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import type { Compress } from '../fanout/message.ts';

/** Nothing, a few, a whole block of the cipher, a common message, a full record, and more than any. */
const SIZES = [0, 1, 64, 1000, 4077, 4097];

/** Throws an Error unless it seals and opens as node:crypto does, and refuses what was changed. */
export function checkAead(aead: Aead): void {
  for (const size of SIZES) {
    const key = pattern(KEY_BYTES, size);
    const nonce = pattern(NONCE_BYTES, size + 1);
    const plaintext = pattern(size, size + 2);
    const expected = new Uint8Array(size + TAG_BYTES);
    nodeCrypto.seal(key, nonce, plaintext, expected);
    const sealed = new Uint8Array(size + TAG_BYTES);
    aead.seal(key, nonce, plaintext, sealed);
    expect(equalBytes(sealed, expected), `sealing ${size} bytes`);
    sealed.set(plaintext);
    aead.seal(key, nonce, sealed.subarray(0, size), sealed);
    expect(equalBytes(sealed, expected), `sealing ${size} bytes in place`);
    const opened = aead.open(key, nonce, sealed);
    expect(opened !== undefined && equalBytes(opened, plaintext), `opening ${size} bytes`);
    for (const at of [0, size >> 1, size, size + TAG_BYTES - 1]) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(aead.open(key, nonce, changed) === undefined, `refusing ${size} changed bytes`);
    }
  }
}

/** Throws an Error unless what it makes is one frame each, and nothing behind it, that node:zlib decodes. */
export function checkCompress(compress: Compress): void {
  const texts = SIZES.map((size) => pattern(size, size).toHex().replaceAll('0', 'é'));
  for (const [i, frame] of texts.map((text) => compress(text)).entries()) {
    // What zlib's `info` gives besides the result, where types know only the result.
    const { buffer, engine } = zstdDecompressSync(frame, { info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    const isAll = engine.bytesWritten === frame.length && buffer.toString() === texts[i];
    expect(isAll, `compressing ${texts[i]?.length} characters`);
  }
}

/** Bytes that differ between seeds and places, two thirds of them alike. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(7);
  for (let i = 1; i < length; i += 3) bytes[i] = seed + i * 31 + (i >> 8);
  return bytes;
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`self-test failed at ${what}`);
}
