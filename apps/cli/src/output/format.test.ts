import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { formatValue, OUTPUT_FORMATS } from './format.ts';

/** Each character that a terminal would obey or reorder, within text. */
const UNSHOWN: readonly string[] = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, n) => 0x7f + n),
  0x061c,
  0x200e,
  0x2028,
  0x2029,
  0x202a,
  0x202e,
  0x2066,
  0x2069,
].map((code) => `a${String.fromCharCode(code)}b`);

describe('output for programs', () => {
  test('says the same as the value, in every format', async () => {
    const value = { names: UNSHOWN, deep: [{ 'ñ 日本': null, 'a\u202eb': 'c: d' }] };
    for (const format of OUTPUT_FORMATS) {
      const text = await formatValue(value, format);
      assert.deepEqual(format === 'yaml' ? parse(text) : JSON.parse(text), value, format);
    }
  });

  test('has nothing that a terminal would obey or reorder', async () => {
    for (const format of OUTPUT_FORMATS) {
      for (const name of UNSHOWN) {
        const text = (await formatValue({ name }, format)).replaceAll(/[\n\t]/g, '');
        assert.doesNotMatch(text, /[\p{Cc}\u061c\u200e\u2028\u2029\u202a-\u2069]/u, format);
      }
    }
  });
});
