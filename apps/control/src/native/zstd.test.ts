import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decompressFrames } from '@malla/platform/zstd';
import fc from 'fast-check';
import { withoutFfi } from '../testing/ffi.ts';
import { createFfiCompress, nodeCompress } from './zstd.ts';

const MAGIC = '28b52ffd';
/** As compressible as JSON of many peers, and hardly at all; UTF-8 of one to four bytes. */
const texts = fc.oneof(
  fc.string({ maxLength: 3_000, size: 'max', unit: 'binary' }),
  fc.string({
    maxLength: 20_000,
    size: 'max',
    unit: fc.constantFrom('{"Key":"nodekey:', 'a', 'é', '"},'),
  }),
);

for (const [name, create, skip] of [
  ['node:zlib', () => nodeCompress, false],
  ['node:ffi', createFfiCompress, withoutFfi],
] as const) {
  describe(`zstd on ${name}`, { skip }, () => {
    const compress = create();

    test('makes a frame that decodes to the text', () => {
      fc.assert(
        fc.property(texts, (text) => {
          const frame = compress(text);
          assert.equal(frame.subarray(0, 4).toHex(), MAGIC);
          assert.equal(decompressFrames(frame).toString(), text);
        }),
      );
    });

    test('makes frames that decode in a row to the texts in a row', () => {
      fc.assert(
        fc.property(fc.array(texts, { minLength: 1, maxLength: 6 }), (parts) => {
          const frames = parts.map((part) => compress(part));
          assert.equal(decompressFrames(Buffer.concat(frames)).toString(), parts.join(''));
        }),
        { numRuns: 50 },
      );
    });

    test('takes what is empty, and any size around its limits, compressible or not', () => {
      for (const size of [0, 1, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 1 << 20]) {
        const uneven = new Uint16Array(size);
        for (let i = 0, x = 1; i < size; i++)
          uneven[i] = 32 + ((x = (x * 48_271) % 0x7fffffff) % 90);
        for (const text of ['A'.repeat(size), 'é'.repeat(size), Buffer.from(uneven).toString()]) {
          assert.ok(decompressFrames(compress(text)).toString() === text);
        }
      }
    });

    test('writes what is not a character as U+FFFD, as UTF-8 encoders do', () => {
      assert.equal(decompressFrames(compress('a\ud800b')).toString(), 'a\ufffdb');
    });

    test('returns memory of its own, of just that length', () => {
      const first = compress('a'.repeat(1000));
      const before = first.toHex();
      const second = compress('b'.repeat(1000));
      assert.equal(first.toHex(), before);
      for (const frame of [first, second]) assert.equal(frame.buffer.byteLength, frame.length);
    });
  });
}
