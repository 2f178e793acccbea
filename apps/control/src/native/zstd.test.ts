import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { createFfiCompress, nodeCompress } from './zstd.ts';

const MAGIC = '28b52ffd';
/** As compressible as JSON of many peers, and not at all. */
const inputs = fc.oneof(
  fc.uint8Array({ maxLength: 3_000, size: 'max' }),
  fc
    .array(fc.constantFrom('{"Key":"nodekey:', 'a', 'b', '"},'), { maxLength: 20_000, size: 'max' })
    .map((letters) => new Uint8Array(Buffer.from(letters.join('')))),
);

for (const [name, compress] of Object.entries({
  'node:zlib': nodeCompress,
  'node:ffi': createFfiCompress(),
})) {
  describe(`zstd on ${name}`, () => {
    test('makes a frame that decodes to the input', () => {
      fc.assert(
        fc.property(inputs, (input) => {
          const frame = compress(input);
          assert.equal(frame.subarray(0, 4).toHex(), MAGIC);
          assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), input);
        }),
      );
    });

    test('makes frames that decode in a row to the inputs in a row', () => {
      fc.assert(
        fc.property(fc.array(inputs, { minLength: 1, maxLength: 6 }), (parts) => {
          const frames = parts.map((part) => compress(part));
          assert.deepEqual(zstdDecompressSync(Buffer.concat(frames)), Buffer.concat(parts));
        }),
        { numRuns: 50 },
      );
    });

    test('takes what is empty, and any size around its limits, compressible or not', () => {
      for (const size of [0, 1, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 1 << 20]) {
        const even = new Uint8Array(size).fill(65);
        const uneven = new Uint8Array(size);
        for (let i = 0, x = 1; i < size; i++) uneven[i] = (x = (x * 48_271) % 0x7fffffff) >> 8;
        for (const input of [even, uneven]) {
          assert.ok(Buffer.from(input).equals(zstdDecompressSync(compress(input))));
        }
      }
    });

    test('returns memory of its own, of just that length', () => {
      const first = compress(new Uint8Array(1000).fill(1));
      const before = first.toHex();
      const second = compress(new Uint8Array(1000).fill(2));
      assert.equal(first.toHex(), before);
      for (const frame of [first, second]) assert.equal(frame.buffer.byteLength, frame.length);
    });
  });
}
