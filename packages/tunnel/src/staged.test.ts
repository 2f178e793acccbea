import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_STAGED_PACKETS, Staged, StagedBudget } from './staged.ts';

describe('packets that wait', () => {
  test('come out in order, as copies', () => {
    const staged = new Staged(new StagedBudget());
    const bytes = Uint8Array.of(0, 1, 2, 3, 4);
    staged.add(bytes, 1, 2);
    staged.add(bytes, 3, 2);
    bytes.fill(9);
    assert.deepEqual(staged.shift(), Uint8Array.of(1, 2));
    assert.deepEqual(staged.shift(), Uint8Array.of(3, 4));
    assert.equal(staged.shift(), undefined);
  });

  test('are so many at most: the oldest goes', () => {
    const budget = new StagedBudget();
    const staged = new Staged(budget);
    for (let n = 0; n <= MAX_STAGED_PACKETS; n++) staged.add(Uint8Array.of(n), 0, 1);
    assert.equal(staged.size, MAX_STAGED_PACKETS);
    assert.equal(budget.bytes, MAX_STAGED_PACKETS);
    assert.deepEqual(staged.shift(), Uint8Array.of(1));
  });

  test('of all peers have a bound in bytes, within which each makes room for its own', () => {
    const budget = new StagedBudget(10);
    const [one, other] = [new Staged(budget), new Staged(budget)];
    const packet = new Uint8Array(4);
    assert.equal(one.add(packet, 0, 4), true);
    assert.equal(one.add(packet, 0, 4), true);
    assert.equal(other.add(packet, 0, 4), false);
    assert.equal(one.add(packet, 0, 4), true);
    assert.equal(one.size, 2);
    assert.equal(one.clear(), 2);
    assert.equal(budget.bytes, 0);
    assert.equal(other.add(packet, 0, 4), true);
  });
});
