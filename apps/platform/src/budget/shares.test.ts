import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Linked } from '../linked-order.ts';
import { Shares } from './shares.ts';

/** These tests are about sizes: no leases. */
interface Nothing extends Linked<Nothing> {}

describe('shares', () => {
  test('know after any changes what each has, and one who has most to a tenth', () => {
    const change = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      by: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const shares = new Shares<Nothing>();
        const model = new Map<string, number>();
        for (const { name, by } of changes) {
          const had = model.get(name) ?? 0;
          const step = Math.max(by, -had);
          if (step === 0) continue;
          model.set(name, had + step);
          shares.change(name, step);
          const held = [...model.values()].filter((amount) => amount > 0);
          const most = Math.max(0, ...held);
          assert.equal(
            shares.used,
            held.reduce((sum, amount) => sum + amount, 0),
          );
          assert.equal(shares.holderCount, held.length);
          const largest = shares.largest();
          assert.equal(largest === undefined, most === 0);
          if (largest !== undefined) {
            assert.equal(largest.used, model.get(largest.name));
            assert.ok(largest.used >= most * 0.9, `${largest.used} of ${most}`);
            assert.ok(shares.isLargest(largest.name));
          }
        }
      }),
    );
  });

  test('tell small holders apart exactly', () => {
    const shares = new Shares<Nothing>();
    shares.change('few', 7);
    shares.change('more', 8);
    assert.equal(shares.largest()?.name, 'more');
    assert.equal(shares.isLargest('few'), false);
  });
});
