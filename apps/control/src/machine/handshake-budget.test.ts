import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandshakeBudget } from './handshake-budget.ts';

function takenOf(budget: HandshakeBudget, asked: number, now: number): number {
  let taken = 0;
  for (let i = 0; i < asked; i++) if (budget.take(now)) taken++;
  return taken;
}

describe('the budget of handshakes', () => {
  test('lets a large tailnet back in at once', () => {
    assert.equal(takenOf(new HandshakeBudget(0), 100_000, 0), 20_000);
  });

  test('leaves a flood a fifth of the thread', () => {
    const budget = new HandshakeBudget(0);
    takenOf(budget, 100_000, 0);
    let taken = 0;
    for (let now = 1; now <= 10_000; now++) taken += takenOf(budget, 100, now);
    assert.equal(taken, 5_000);
  });

  test('does not grow past the burst', () => {
    const budget = new HandshakeBudget(0);
    assert.equal(takenOf(budget, 100_000, 1e9), 20_000);
  });
});
