import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { decodeHuffman } from './huffman.ts';

/** RFC 7541 C.4 and C.6. */
const VECTORS = {
  f1e3c2e5f23a6ba0ab90f4ff: 'www.example.com',
  a8eb10649cbf: 'no-cache',
  '25a849e95ba97d7f': 'custom-key',
  '25a849e95bb8e8b4bf': 'custom-value',
  '6402': '302',
  aec3771a4b: 'private',
  d07abe941054d444a8200595040b8166e082a62d1bff: 'Mon, 21 Oct 2013 20:13:21 GMT',
  '9d29ad171863c78f0b97c8e9ae82ae43d3': 'https://www.example.com',
};

describe('Huffman coding', () => {
  for (const [hex, text] of Object.entries(VECTORS)) {
    test(`decodes "${text}"`, () => {
      assert.equal(fromUtf8(decodeHuffman(Uint8Array.fromHex(hex)) ?? assert.fail()), text);
    });
  }

  // Codes of RFC 7541 Appendix B, each filled up to whole bytes with ones.
  for (const [symbol, hex] of [
    [0, 'ffc7'],
    [10, 'fffffff3'],
    [22, 'fffffffb'],
    [92, 'fffe1f'],
    [127, 'ffffffcf'],
    [249, 'ffffffef'],
    [255, 'fffffbbf'],
  ] as const) {
    test(`decodes the code of byte ${symbol}`, () => {
      assert.deepEqual(decodeHuffman(Uint8Array.fromHex(hex)), Uint8Array.of(symbol));
    });
  }

  for (const [what, hex] of [
    ['EOS', 'ffffffff'],
    ['padding of a whole byte', '07ff'],
    ['padding that is not ones', '06'],
    ['a code that is cut off', 'fffe'],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.equal(decodeHuffman(Uint8Array.fromHex(hex)), undefined);
    });
  }

  test('throws on no input', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeHuffman(bytes)));
  });
});
