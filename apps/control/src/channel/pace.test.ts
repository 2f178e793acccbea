import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RateBudget } from '@malla/platform/budget/rate-budget';
import { VirtualTime } from '../testing/virtual-time.ts';
import { Pace, SLICE_BYTES } from './pace.ts';

function subject(): {
  readonly time: VirtualTime;
  readonly pace: Pace;
  readonly passed: string[];
  /** Sends so much; `name` is noted when it may be read, now or later. */
  readonly send: (address: string, bytes: number, name: string) => () => void;
} {
  const time = new VirtualTime();
  const budget = new RateBudget({
    name: 'bytes',
    purse: 'strangers',
    total: { burst: 3_000, perSecond: 3_000 },
    each: { burst: 1_000, perSecond: 1_000 },
  });
  const pace = new Pace({ budget, now: () => time.now, after: time.after });
  const passed: string[] = [];
  return {
    time,
    pace,
    passed,
    send(address, bytes, name) {
      const go = (): void => void passed.push(name);
      if (pace.pass(address, bytes, go)) go();
      return go;
    },
  };
}

describe('what strangers send', () => {
  test('is read at once up to the share of their address, and then as fast as that fills up', () => {
    const { send, time, passed } = subject();
    for (const name of ['a', 'b', 'c', 'd']) send('192.0.2.1', 500, name);
    assert.deepEqual(passed, ['a', 'b']);
    time.advance(500);
    assert.deepEqual(passed, ['a', 'b', 'c']);
    time.advance(500);
    assert.deepEqual(passed, ['a', 'b', 'c', 'd']);
    assert.equal(time.pending, 0);
  });

  test('waits in the order in which it came: little does not overtake much', () => {
    const { send, time, passed } = subject();
    send('192.0.2.1', 1_000, 'all');
    send('192.0.2.1', 800, 'much');
    send('192.0.2.1', 1, 'little');
    time.advance(100);
    assert.deepEqual(passed, ['all']);
    time.advance(800);
    assert.deepEqual(passed, ['all', 'much', 'little']);
  });

  test('does not hold up another address', () => {
    const { send, passed } = subject();
    for (let i = 0; i < 50; i++) send('192.0.2.1', 1_000, 'flood');
    for (let i = 0; i < 50; i++) send('2001:db8::1', 1_000, 'flood');
    send('2001:db8:1::1', 900, 'newcomer');
    assert.deepEqual(passed, ['flood', 'flood', 'newcomer']);
  });

  test('gets its part of what all have together, whoever came first', () => {
    const { send, time, passed } = subject();
    for (let address = 1; address <= 4; address++) {
      for (let nth = 0; nth < 3; nth++) send(`192.0.2.${address}`, 1_000, `${address}`);
    }
    assert.deepEqual(passed, ['1', '2', '3']);
    time.advance(1_000);
    assert.deepEqual(passed.toSorted(), ['1', '1', '2', '2', '3', '4']);
  });

  test('is read a slice at a time, and everything else goes on in between', () => {
    const time = new VirtualTime();
    const rate = { burst: 1e9, perSecond: 0 };
    const budget = new RateBudget({ name: 'bytes', purse: 'strangers', total: rate, each: rate });
    const pace = new Pace({ budget, now: () => time.now, after: time.after });
    const read = new Map<string, number>();
    const send = (address: string): void => {
      const go = (): void => {
        // It costs as much again.
        pace.charge(address, SLICE_BYTES / 8);
        read.set(address, (read.get(address) ?? 0) + 1);
      };
      if (pace.pass(address, SLICE_BYTES / 8, go)) go();
    };
    for (let nth = 0; nth < 20; nth++) send('192.0.2.1');
    send('192.0.2.2');
    const counts = [[...read.values()]];
    for (let slice = 0; slice < 5; slice++) {
      time.advance(2);
      counts.push([...read.values()]);
    }
    assert.deepEqual(counts, [[4], [7, 1], [11, 1], [15, 1], [19, 1], [20, 1]]);
    time.advance(2);
    assert.equal(budget.used(time.now), (21 * SLICE_BYTES) / 4);
  });

  test('of one that has gone is forgotten', () => {
    const { send, pace, time, passed } = subject();
    send('192.0.2.1', 1_000, 'a');
    const gone = send('192.0.2.1', 1_000, 'gone');
    send('192.0.2.1', 1_000, 'b');
    pace.forget('192.0.2.1', gone);
    time.advance(1_000);
    assert.deepEqual(passed, ['a', 'b']);
    pace.forget('192.0.2.1', gone);
    assert.equal(time.pending, 0);
  });
});
