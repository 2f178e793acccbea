import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainSha256 } from './digest.ts';

test('the SHA-256 of a text in base64url is the same in plain JavaScript', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      assert.equal(plainSha256(text), createHash('sha256').update(text).digest('base64url'));
    }),
  );
});
