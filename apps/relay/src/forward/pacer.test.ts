import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUSY_BYTES_PER_MS, Pacer } from './pacer.ts';

describe('pacer', () => {
  test('a lone packet is never kept waiting', () => {
    const pacer = new Pacer(0.2, 0);
    for (let n = 1; n <= 100; n++) assert.equal(pacer.endTurn(n * 10, n * 1200), 0);
  });

  test('while much flows, a turn begins once in an interval', () => {
    const pacer = new Pacer(0.2, 0);
    assert.equal(pacer.endTurn(1, BUSY_BYTES_PER_MS), 0);
    // The first busy turn took longer than the interval; the next one is short.
    assert.equal(round(pacer.endTurn(1.05, 2 * BUSY_BYTES_PER_MS)), 0.15);
    // That turn began at 1.2, after the wait.
    assert.equal(round(pacer.endTurn(1.25, 3 * BUSY_BYTES_PER_MS)), 0.15);
  });

  test('a turn that took the whole interval is not made longer', () => {
    const pacer = new Pacer(0.2, 0);
    pacer.endTurn(1, 100 * BUSY_BYTES_PER_MS);
    assert.equal(pacer.endTurn(1.3, 200 * BUSY_BYTES_PER_MS), 0);
  });

  test('when the flow is over, the next packet does not wait', () => {
    const pacer = new Pacer(0.2, 0);
    const total = 10 * BUSY_BYTES_PER_MS;
    pacer.endTurn(1, total);
    assert.equal(pacer.endTurn(500, total + 1200), 0);
  });

  test('an interval of 0 never waits', () => {
    const pacer = new Pacer(0, 0);
    for (let n = 1; n < 50; n++) assert.equal(pacer.endTurn(n / 10, n * BUSY_BYTES_PER_MS), 0);
  });
});

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
