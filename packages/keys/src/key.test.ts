import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatKey, isZeroKey, KEY_BYTES, keyBytes, type KeyPrefix, parseKey } from './key.ts';

const PREFIXES: readonly KeyPrefix[] = ['mkey', 'nodekey', 'discokey', 'chalpub', 'privkey'];
const NOT_A_KEY = { ok: false, error: 'not-a-key' };
const prefix = fc.constantFrom(...PREFIXES);
const raw = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES });

describe('key text', () => {
  test('a key is its prefix and lowercase hex', () => {
    const text = formatKey('nodekey', new Uint8Array(KEY_BYTES).fill(0xab));
    assert.equal(text, `nodekey:${'ab'.repeat(KEY_BYTES)}`);
  });

  test('bytes round-trip through text', () => {
    fc.assert(
      fc.property(prefix, raw, (kind, bytes) => {
        const text = formatKey(kind, bytes);
        assert.deepEqual(parseKey(kind, text), { ok: true, value: text });
        assert.deepEqual(keyBytes(text), bytes);
      }),
    );
  });

  test('upper-case hex is accepted and becomes lowercase', () => {
    assert.deepEqual(parseKey('mkey', `mkey:${'AB'.repeat(KEY_BYTES)}`), {
      ok: true,
      value: `mkey:${'ab'.repeat(KEY_BYTES)}`,
    });
  });

  test('a key of one kind is not a key of another', () => {
    for (const kind of PREFIXES) {
      for (const other of PREFIXES) {
        const text = formatKey(other, new Uint8Array(KEY_BYTES));
        assert.equal(parseKey(kind, text).ok, kind === other);
      }
    }
  });

  test('any other length, prefix, character or type is not a key', () => {
    const hex = 'ab'.repeat(KEY_BYTES);
    const wrong = [
      '',
      'mkey:',
      hex,
      `mkey${hex}`,
      `MKEY:${hex}`,
      `mkey:${hex.slice(1)}`,
      `mkey:${hex}a`,
      `mkey:${hex.slice(1)}g`,
      `mkey:${hex.slice(1)}\n`,
      ` mkey:${hex.slice(1)}`,
      undefined,
      null,
      7,
      [`mkey:${hex}`],
    ];
    for (const text of wrong) assert.deepEqual(parseKey('mkey', text), NOT_A_KEY);
  });

  test('no value makes the parser throw', () => {
    fc.assert(fc.property(prefix, fc.anything(), (kind, value) => void parseKey(kind, value)));
    fc.assert(fc.property(prefix, fc.string(), (kind, s) => void parseKey(kind, `${kind}:${s}`)));
  });

  test('only the key of zeros is no key', () => {
    assert.ok(isZeroKey(formatKey('nodekey', new Uint8Array(KEY_BYTES))));
    for (let at = 0; at < KEY_BYTES; at++) {
      assert.ok(!isZeroKey(formatKey('nodekey', new Uint8Array(KEY_BYTES).with(at, 1))));
    }
  });

  test('formatting another number of bytes is a bug of the caller', () => {
    assert.throws(() => formatKey('mkey', new Uint8Array(KEY_BYTES - 1)), RangeError);
  });
});
