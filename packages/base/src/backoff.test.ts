import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backoffMs } from './backoff.ts';

const BACKOFF = { firstMs: 500, mostMs: 30_000 };

describe('the wait before another attempt', () => {
  test('doubles with each failure up to the longest', () => {
    const waits = [1, 2, 3, 7, 8, 2000].map((failures) => backoffMs(BACKOFF, failures, 1));
    assert.deepEqual(waits, [500, 1000, 2000, 30_000, 30_000, 30_000]);
  });

  test('is half of it at least, and as long as after the first where nothing has failed', () => {
    assert.equal(backoffMs(BACKOFF, 3, 0), 1000);
    assert.equal(backoffMs(BACKOFF, 0, 1), 500);
  });
});
