import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { retryAfterMs } from './retry-after.ts';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 7);

describe('what a server asks for by Retry-After', () => {
  test('is a number of seconds, or a date', () => {
    assert.equal(retryAfterMs('120', NOW), 120_000);
    assert.equal(retryAfterMs(' 0 ', NOW), 0);
    assert.equal(retryAfterMs('Sun, 06 Nov 1994 08:49:37 GMT', NOW), 30_000);
    assert.equal(retryAfterMs('Sun, 06 Nov 1994 08:49:00 GMT', NOW), 0);
  });

  test('is nothing where it says no time', () => {
    for (const header of [undefined, '', '-1', '1.5', '1e3', '9999999999', 'soon', '1994-11-06']) {
      assert.equal(retryAfterMs(header, NOW), undefined);
    }
  });

  test('is never negative, nor an exception', () => {
    fc.assert(fc.property(fc.string(), (header) => (retryAfterMs(header, NOW) ?? 0) >= 0));
  });
});
