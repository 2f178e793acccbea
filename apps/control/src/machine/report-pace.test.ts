import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { BURST, INTERVAL_MS, type NodeReport, ReportPace } from './report-pace.ts';

const [FIRST, SECOND] = [1, 2].map((seed) =>
  formatKey('nodekey', new Uint8Array(32).fill(seed)),
) as [NodeReport['nodeKey'], NodeReport['nodeKey']];

function report(port: number, fields: Partial<NodeReport> = {}, node = 1): NodeReport {
  const endpoints = [`192.0.2.1:${port}`];
  const said = { capVersion: 142, discoKey: undefined, hostinfo: undefined, endpoints };
  return { node, nodeKey: FIRST, report: said, ofStream: false, ...fields };
}

/** What is due at a moment, by port. */
function taken(pace: ReportPace, now: number): string[] {
  pace.handleTimeout(now);
  const ports = [];
  for (let each = pace.pollEvent(); each !== undefined; each = pace.pollEvent()) {
    ports.push(each.report.endpoints.join());
  }
  return ports;
}

/** One whose first node has used up its burst. */
function spent(now = 0): ReportPace {
  const pace = new ReportPace();
  for (let n = 0; n < BURST; n++) assert.ok(pace.handleReport(report(n), now));
  return pace;
}

describe('the pace of reports', () => {
  test('lets a burst through at once, and another when the node was silent for long enough', () => {
    const pace = spent();
    assert.equal(pace.handleReport(report(100), 0), false);
    assert.deepEqual(taken(pace, INTERVAL_MS), ['192.0.2.1:100']);
    const later = INTERVAL_MS + BURST * INTERVAL_MS;
    for (let n = 0; n < BURST; n++) assert.ok(pace.handleReport(report(n), later));
    assert.equal(pace.handleReport(report(100), later), false);
  });

  test('holds the last of what comes faster, and takes it as soon as one more is allowed', () => {
    const pace = spent();
    for (let port = 1; port <= 1_000; port++) pace.handleReport(report(port), 1);
    assert.equal(pace.heldCount, 1);
    assert.equal(pace.pollTimeout(), INTERVAL_MS);
    assert.deepEqual(taken(pace, INTERVAL_MS - 1), []);
    assert.deepEqual(taken(pace, INTERVAL_MS), ['192.0.2.1:1000']);
    assert.deepEqual([pace.heldCount, pace.pollTimeout()], [0, undefined]);
  });

  test('is each node’s own', () => {
    const pace = spent();
    pace.handleReport(report(1), 0);
    assert.ok(pace.handleReport(report(1, {}, 2), 0));
  });

  test('loses nothing that a later report leaves out', () => {
    const pace = spent();
    const hostinfo = { Hostname: 'a' };
    const first = report(1);
    pace.handleReport({ ...first, report: { ...first.report, hostinfo } }, 0);
    pace.handleReport(report(2), 0);
    pace.handleTimeout(INTERVAL_MS);
    const said = pace.pollEvent()?.report;
    assert.deepEqual([said?.hostinfo, said?.endpoints], [hostinfo, ['192.0.2.1:2']]);
  });

  test('lets the report of a stream replace none that waits, but one of an earlier login', () => {
    const pace = spent();
    pace.handleReport(report(1), 0);
    pace.handleReport(report(2, { ofStream: true }), 0);
    assert.deepEqual(taken(pace, INTERVAL_MS), ['192.0.2.1:1']);
    pace.handleReport(report(3), INTERVAL_MS);
    pace.handleReport(report(4, { nodeKey: SECOND, ofStream: true }), INTERVAL_MS);
    assert.deepEqual(taken(pace, 2 * INTERVAL_MS), ['192.0.2.1:4']);
  });

  test('tries again what failed, without what was said since being forgotten', () => {
    const pace = new ReportPace();
    pace.handleFailed(report(1), 0, 5_000);
    assert.deepEqual(taken(pace, 4_999), []);
    assert.equal(pace.handleReport(report(2), 4_999), false);
    assert.deepEqual(taken(pace, 5_000), ['192.0.2.1:2']);
    pace.handleReport(report(3), 5_000);
    pace.handleFailed(report(2), 5_001, 5_000);
    assert.deepEqual(taken(pace, 10_001), ['192.0.2.1:2']);
  });

  test('keeps nothing of a node that is deleted', () => {
    const pace = spent();
    pace.handleReport(report(1), 0);
    pace.handleRemoved(1);
    assert.deepEqual([pace.heldCount, pace.pollTimeout()], [0, undefined]);
    assert.ok(pace.handleReport(report(2), 0));
  });

  test('is kept whatever comes when: never more than the rate, and the last word always', () => {
    const gap = fc.integer({ min: 0, max: 3 * INTERVAL_MS });
    fc.assert(
      fc.property(fc.array(gap, { maxLength: 200 }), (gaps) => {
        const pace = new ReportPace();
        const at: number[] = [];
        let now = 0;
        let last = '';
        const wake = (until: number): void => {
          for (let due = pace.pollTimeout(); due !== undefined && due <= until;) {
            for (const text of taken(pace, due)) {
              at.push(due);
              last = text;
            }
            due = pace.pollTimeout();
          }
        };
        gaps.forEach((each, port) => {
          now += each;
          wake(now);
          const given = report(port);
          if (!pace.handleReport(given, now)) return;
          at.push(now);
          last = given.report.endpoints.join();
        });
        wake(Infinity);
        if (gaps.length > 0) assert.equal(last, `192.0.2.1:${gaps.length - 1}`);
        at.forEach((moment, n) => {
          const before = at[n - BURST];
          if (before !== undefined) assert.ok(moment - before >= INTERVAL_MS);
        });
        const span = (at.at(-1) ?? 0) - (at[0] ?? 0);
        assert.ok(at.length <= BURST + span / INTERVAL_MS);
      }),
    );
  });
});
