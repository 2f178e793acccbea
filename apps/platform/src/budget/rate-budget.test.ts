import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_HOLDERS, RateBudget } from './rate-budget.ts';

function budget(purse: 'strangers' | 'known' = 'strangers'): RateBudget {
  return new RateBudget({
    name: 'handshakes',
    purse,
    total: { burst: 10, perSecond: 10 },
    each: { burst: 4, perSecond: 2 },
  });
}

/** How many of `times` are let through. */
function count(rate: RateBudget, from: string, times: number, now: number): number {
  let taken = 0;
  for (let time = 0; time < times; time++) if (rate.take(from, now)) taken++;
  return taken;
}

describe('a budget by time', () => {
  test('lets one address spend its share and leaves the rest to others', () => {
    const rate = budget();
    assert.equal(count(rate, '192.0.2.1', 100, 0), 4);
    assert.equal(count(rate, '192.0.2.2', 3, 0), 3);
    assert.equal(count(rate, '2001:db8::1', 100, 0) + count(rate, '2001:db8::2', 100, 0), 3);
    assert.deepEqual(rate.refused.total > 0 && rate.refused.share > 0, true);
  });

  test('fills up again by time, each share and the total, and no further than the burst', () => {
    const rate = budget();
    assert.equal(count(rate, '192.0.2.1', 100, 0), 4);
    assert.equal(count(rate, '192.0.2.1', 100, 500), 1);
    assert.equal(count(rate, '192.0.2.1', 100, 60_000), 4);
    assert.equal(rate.used(60_000), 4);
    assert.equal(rate.used(70_000), 0);
  });

  test('takes nothing of what it refuses', () => {
    const rate = budget();
    assert.equal(rate.take('192.0.2.1', 0, 5), false);
    assert.equal(rate.take('192.0.2.1', 0, 4), true);
    assert.equal(rate.used(0), 4);
  });

  test('may be overspent, and is waited for then', () => {
    const rate = budget();
    rate.spend('192.0.2.1', 0, 6);
    assert.equal(count(rate, '192.0.2.1', 1, 0), 0);
    assert.equal(count(rate, '192.0.2.2', 10, 0), 4);
    assert.equal(count(rate, '192.0.2.1', 1, 1_000), 0);
    assert.equal(count(rate, '192.0.2.1', 10, 2_000), 2);
  });

  test('forgets what is given back', () => {
    const rate = budget();
    for (let time = 0; time < 50; time++) {
      assert.equal(rate.take('192.0.2.1', 0), true);
      rate.giveBack('192.0.2.1', 0);
    }
    assert.equal(rate.used(0), 0);
    rate.giveBack('192.0.2.1', 0);
    assert.equal(count(rate, '192.0.2.1', 100, 0), 4);
  });

  test('counts the known by name', () => {
    const rate = budget('known');
    assert.equal(count(rate, 'mkey:a', 100, 0), 4);
    assert.equal(count(rate, 'mkey:b', 100, 0), 4);
  });

  test('is not confused by a clock that stands or goes back', () => {
    const rate = budget();
    assert.equal(count(rate, '192.0.2.1', 100, 1_000), 4);
    assert.equal(count(rate, '192.0.2.1', 100, 0), 0);
    assert.equal(count(rate, '192.0.2.1', 100, 1_000), 0);
  });

  test('remembers a limited number of holders, and the busy ones longest', () => {
    const rate = new RateBudget({
      name: 'handshakes',
      purse: 'known',
      total: { burst: 1e9, perSecond: 1 },
      each: { burst: 2, perSecond: 0 },
    });
    for (let name = 0; name < MAX_HOLDERS * 3; name++) {
      assert.equal(rate.take('busy', 0), name < 2);
      assert.equal(rate.take(String(name), 0), true);
    }
    assert.ok(rate.holderCount <= 2 * MAX_HOLDERS);
  });
});
