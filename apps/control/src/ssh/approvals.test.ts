import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Node } from '@malla/netmap/node';
import { testNode } from '../testing/rows.ts';
import { DEFAULT_CHECK_PERIOD_MS } from '@malla/policy/policy';
import { loginOf, SshApprovals } from './approvals.ts';

const HOUR_MS = 3_600_000;
const PERIODS = [0, HOUR_MS, DEFAULT_CHECK_PERIOD_MS, 48 * HOUR_MS];

describe('approvals', () => {
  test('cover exactly what somebody vouched for, within the period that is asked for', () => {
    const node = fc.integer({ min: 1, max: 3 });
    const step = fc.record({
      do: fc.constantFrom('grant', 'grant', 'relogin', 'prune', 'wait'),
      source: node,
      destination: node,
      periodMs: fc.constantFrom(...PERIODS),
      waitMs: fc.integer({ min: 0, max: DEFAULT_CHECK_PERIOD_MS }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const approvals = new SshApprovals();
        const nodes = new Map<number, Node>([1, 2, 3].map((id) => [id, testNode(id)]));
        const at = (id: number): Node => nodes.get(id) ?? assert.fail();
        const given: { login: string; destination: number; periodMs: number; at: number }[] = [];
        let now = 0;
        for (const { do: what, source, destination, periodMs, waitMs } of steps) {
          if (what === 'grant') {
            approvals.grant(at(source), destination, periodMs, now);
            given.push({ login: loginOf(at(source)), destination, periodMs, at: now });
          } else if (what === 'relogin') {
            nodes.set(source, { ...at(source), userId: (at(source).userId ?? 0) + 3 });
          } else if (what === 'prune') {
            approvals.prune((id, login) => loginOf(at(id)) === login);
          } else {
            now += waitMs;
          }
          for (const [from, to, asked] of combinations()) {
            const isVouched = given.some(
              (one) =>
                one.login === loginOf(at(from)) &&
                one.periodMs !== 0 &&
                now - one.at < asked &&
                (one.destination === to ||
                  (one.periodMs === DEFAULT_CHECK_PERIOD_MS && asked === DEFAULT_CHECK_PERIOD_MS)),
            );
            assert.equal(approvals.covers(at(from), to, asked, now), isVouched);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('are bounded: the oldest are forgotten first', () => {
    const approvals = new SshApprovals();
    const source = testNode(1);
    for (let destination = 1; destination <= 16_385; destination++) {
      approvals.grant(source, destination, HOUR_MS, 0);
    }
    assert.equal(approvals.covers(source, 1, HOUR_MS, 0), false);
    assert.equal(approvals.covers(source, 2, HOUR_MS, 0), true);
    assert.equal(approvals.covers(source, 16_385, HOUR_MS, 0), true);
  });
});

function combinations(): readonly (readonly [number, number, number])[] {
  return [1, 2, 3].flatMap((from) =>
    [1, 2, 3].flatMap((to) => PERIODS.map((periodMs) => [from, to, periodMs] as const)),
  );
}
