import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Activity, IdleConnections } from './idle-connections.ts';

const BUSY: Activity = {
  idleSince: undefined,
  maxIdleMs: 150,
  unfinishedSince: undefined,
  maxUnfinishedMs: 30,
};

/** Connections by name, and those that have to end at each of these moments. */
function endsOf(
  activities: Readonly<Record<string, (now: number) => Partial<Activity>>>,
  moments: readonly number[],
): readonly string[] {
  let now = 0;
  const engine = new IdleConnections<string>((name) => ({ ...BUSY, ...activities[name]?.(now) }));
  for (const name of Object.keys(activities)) engine.handleOpened(name, now);
  return moments.flatMap((moment) => {
    now = moment;
    engine.handleTimeout(now);
    const over: string[] = [];
    for (let name = engine.pollEvent(); name !== undefined; name = engine.pollEvent()) {
      over.push(`${name} ${now}`);
    }
    return over;
  });
}

/** Busy until a moment, and from then on not. */
function from(
  since: 'idleSince' | 'unfinishedSince',
  at: number,
): (now: number) => Partial<Activity> {
  return (now) => (now < at ? {} : { [since]: at });
}

describe('a connection', () => {
  const everyTime = Array.from({ length: 400 }, (_, now) => now);

  test('on which something goes on stays', () => {
    assert.deepEqual(endsOf({ busy: () => ({}) }, everyTime), []);
  });

  test('ends at the moment at which nothing has gone on for long enough', () => {
    const quiet = { a: from('idleSince', 0), b: from('idleSince', 77) };
    assert.deepEqual(endsOf(quiet, everyTime), ['a 150', 'b 227']);
  });

  test('ends when the rest of a request has not come in time', () => {
    const half = { a: from('unfinishedSince', 0), b: from('unfinishedSince', 101) };
    assert.deepEqual(endsOf(half, everyTime), ['a 30', 'b 131']);
  });

  test('is named once, also by a clock that was late', () => {
    assert.deepEqual(endsOf({ a: () => ({ idleSince: 0 }) }, [149, 9_000, 10_000]), ['a 9000']);
  });

  test('that has closed is looked at no more', () => {
    const engine = new IdleConnections<string>(() => BUSY);
    engine.handleOpened('a', 0);
    assert.equal(engine.pollTimeout(), 30);
    engine.handleClosed('a');
    assert.equal(engine.pollTimeout(), undefined);
  });
});
