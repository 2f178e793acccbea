import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromHex, plainFromHex, plainToHex, toHex } from './hex.ts';

describe('hex', () => {
  test('is two lowercase digits a byte, and read in either case', () => {
    assert.equal(toHex(Uint8Array.of(0, 15, 16, 255)), '000f10ff');
    assert.deepEqual(fromHex('000F10fF'), { ok: true, value: Uint8Array.of(0, 15, 16, 255) });
    for (const text of ['0', '0g', ' 00', '00\n', '-1']) {
      assert.deepEqual(fromHex(text), { ok: false, error: 'not-hex' });
    }
  });

  test('is the same with functions of the language and without them', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = plainToHex(bytes);
        assert.equal(text, Buffer.from(bytes).toString('hex'));
        assert.equal(toHex(bytes), text);
        assert.deepEqual(plainFromHex(text.toUpperCase()), bytes);
        assert.deepEqual(fromHex(text), { ok: true, value: bytes });
      }),
    );
  });
});
