import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromLatin1, toLatin1 } from './latin1.ts';

describe('strings of HPACK', () => {
  test('are a character for each byte, however long', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 10_000, size: 'max' }), (bytes) => {
        const text = fromLatin1(bytes);
        assert.ok(text === Buffer.from(bytes).toString('latin1'));
        assert.deepEqual(toLatin1(text), bytes);
      }),
    );
  });

  test('have the lower half of what is no byte', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.deepEqual(toLatin1(text), Uint8Array.from(Buffer.from(text, 'latin1')));
      }),
    );
  });
});
