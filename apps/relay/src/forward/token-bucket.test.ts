import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TokenBucket } from './token-bucket.ts';

describe('token bucket', () => {
  test('a burst is free, then the rate counts', () => {
    const bucket = new TokenBucket({ perSecond: 1000, burst: 500 }, 0);
    bucket.spend(500, 0);
    assert.equal(bucket.debtMs(0), 0);
    bucket.spend(250, 0);
    assert.equal(bucket.debtMs(0), 250);
    assert.equal(bucket.debtMs(200), 50);
    assert.equal(bucket.debtMs(250), 0);
  });

  test('it never holds more than the burst', () => {
    const bucket = new TokenBucket({ perSecond: 1000, burst: 500 }, 0);
    assert.equal(bucket.trySpend(501, 1e9), false);
    assert.equal(bucket.trySpend(500, 1e9), true);
    assert.equal(bucket.trySpend(1, 1e9), false);
  });
});
