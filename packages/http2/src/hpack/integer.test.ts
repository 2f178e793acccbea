import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteBuffer } from '../byte-buffer.ts';
import { readInteger, writeInteger } from './integer.ts';

describe('an integer of HPACK', () => {
  for (const [value, prefixBits, hex] of [
    [10, 5, '0a'],
    [1337, 5, '1f9a0a'],
    [42, 8, '2a'],
  ] as const) {
    test(`is coded as in RFC 7541 C.1: ${value} with ${prefixBits} bits`, () => {
      assert.equal(encode(prefixBits, value).toHex(), hex);
      assert.equal(readInteger({ bytes: Uint8Array.fromHex(hex), at: 0 }, prefixBits), value);
    });
  }

  test('is read back as written, up to where it ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(2 ** 28 - 1), (prefixBits, value) => {
        const cursor = { bytes: encode(prefixBits, value), at: 0 };
        assert.equal(readInteger(cursor, prefixBits), value);
        assert.equal(cursor.at, cursor.bytes.length);
      }),
    );
  });

  for (const hex of ['', '1f', '1f80', '1f8080808001', '1fffffffff7f']) {
    test(`is refused when cut off or over-long: "${hex}"`, () => {
      assert.equal(readInteger({ bytes: Uint8Array.fromHex(hex), at: 0 }, 5), undefined);
    });
  }
});

function encode(prefixBits: number, value: number): Uint8Array {
  const out = new ByteBuffer();
  writeInteger(out, prefixBits, 0, value);
  return out.take();
}
