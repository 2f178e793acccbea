import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow, WINDOW } from './replay-window.ts';

describe('a replay window', () => {
  test('takes each counter once', () => {
    const window = new ReplayWindow();
    for (const counter of [0, 1, 9, 8, 7]) assert.equal(window.accept(counter), true);
    for (const counter of [0, 1, 9, 8, 7]) assert.equal(window.accept(counter), false);
  });

  test('takes what is behind the largest by less than its width, and nothing older', () => {
    const window = new ReplayWindow();
    assert.equal(window.accept(100_000), true);
    assert.equal(window.accept(100_000 - WINDOW + 1), true);
    assert.equal(window.accept(100_000 - WINDOW), false);
    assert.equal(window.accept(100_000 - WINDOW + 1), false);
  });

  test('is as wide as wireguard-go’s, less a word', () => {
    assert.equal(WINDOW, 8192 - 32);
  });

  test('forgets nothing that it must know when counters leap', () => {
    const window = new ReplayWindow();
    assert.equal(window.accept(5), true);
    assert.equal(window.accept(5 + 8192), true);
    assert.equal(window.accept(2 ** 52), true);
    assert.equal(window.accept(2 ** 52), false);
    assert.equal(window.accept(2 ** 52 - 1), true);
    assert.equal(window.accept(5 + 8192), false);
  });

  test('looking changes nothing', () => {
    const window = new ReplayWindow();
    assert.equal(window.isNew(70_000), true);
    assert.equal(window.accept(3), true);
    assert.equal(window.isNew(3), false);
    assert.equal(window.isNew(4), true);
  });

  test('does what a list of all counters does, for any order of them', () => {
    const steps = fc.array(
      fc.oneof(
        fc.integer({ min: -40, max: 60 }),
        fc.integer({ min: -9000, max: 9000 }),
        fc.constantFrom(-WINDOW, -WINDOW + 1, -WINDOW - 1, 31, 32, 33, 8191, 8192, 8193, 100_000),
      ),
      { maxLength: 400, size: 'max' },
    );
    fc.assert(
      fc.property(fc.nat(2 ** 40), steps, (start, moves) => {
        const window = new ReplayWindow();
        const seen = new Set<number>();
        let largest = -1;
        let at = start;
        for (const move of moves) {
          const counter = Math.max(0, at + move);
          const expected = counter > largest - WINDOW && !seen.has(counter);
          assert.equal(window.isNew(counter), expected);
          assert.equal(window.accept(counter), expected);
          seen.add(counter);
          largest = Math.max(largest, counter);
          at = largest;
        }
      }),
      { numRuns: 300 },
    );
  });
});
