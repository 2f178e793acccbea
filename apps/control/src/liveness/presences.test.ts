import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualTime } from '../testing/virtual-time.ts';
import { GRACE_MS } from './presence.ts';
import { Presences } from './presences.ts';

class Subject {
  readonly time = new VirtualTime();
  readonly turns: [number, boolean][] = [];
  readonly streams: [number, boolean][] = [];
  readonly presences = new Presences({
    clock: { now: () => this.time.now, after: this.time.after },
    wall: () => this.time.now,
    onEvent: (event) => {
      if (event.kind === 'turned') this.turns.push([event.id, event.online]);
      else this.streams.push([event.id, event.open]);
    },
  });
}

describe('a node', () => {
  test('is online while it has a stream, and told so once', () => {
    const { presences, turns, time } = new Subject();
    assert.equal(presences.isOnline(1), false);
    presences.opened(1);
    time.advance(1_000_000);
    assert.equal(presences.isOnline(1), true);
    assert.equal(presences.onlineCount, 1);
    assert.deepEqual(turns, [[1, true]]);
  });

  test('is offline when its stream has been gone for the grace period', () => {
    const { presences, turns, time } = new Subject();
    const left = presences.opened(1);
    left();
    const endedAt = time.now;
    time.advance(GRACE_MS - 1);
    assert.deepEqual(presences.of(1, undefined), { online: true, lastSeen: endedAt });
    time.advance(1);
    assert.deepEqual(presences.of(1, undefined), { online: false, lastSeen: endedAt });
    assert.deepEqual(turns, [
      [1, true],
      [1, false],
    ]);
  });

  test('that comes back within the grace period does not flap', () => {
    const { presences, turns, time } = new Subject();
    for (let i = 0; i < 10; i++) {
      presences.opened(1)();
      time.advance(GRACE_MS - 1);
    }
    assert.deepEqual(turns, [[1, true]]);
  });

  test('with a newer stream stays online when the older one ends, however late', () => {
    const { presences, time } = new Subject();
    const older = presences.opened(1);
    presences.opened(1);
    older();
    older();
    time.advance(10 * GRACE_MS);
    assert.equal(presences.isOnline(1), true);
  });

  test('that was ended and came back is not put off by the end of its old stream', () => {
    const { presences, time } = new Subject();
    const older = presences.opened(1);
    presences.end(1);
    assert.equal(presences.isOnline(1), false);
    presences.opened(1);
    older();
    time.advance(10 * GRACE_MS);
    assert.equal(presences.isOnline(1), true);
  });

  test('that is ended with an open stream was last seen then', () => {
    const { presences, time } = new Subject();
    presences.opened(1);
    time.advance(5_000);
    presences.end(1);
    assert.equal(presences.of(1, 0).lastSeen, time.now);
  });

  test('says of each stream that it opened, and only of the last that it ended', () => {
    const { presences, streams } = new Subject();
    const older = presences.opened(1);
    const newer = presences.opened(1);
    older();
    newer();
    presences.end(1);
    const late = presences.opened(1);
    presences.end(1);
    late();
    assert.deepEqual(streams, [
      [1, true],
      [1, true],
      [1, false],
      [1, true],
      [1, false],
    ]);
  });

  test('that only asked something was seen, and is not online', () => {
    const { presences, turns, time } = new Subject();
    presences.heard(1);
    assert.deepEqual(presences.of(1, 7), { online: false, lastSeen: time.now });
    assert.deepEqual(turns, []);
  });

  test('that this process knows nothing of was seen when the store says so', () => {
    const { presences } = new Subject();
    assert.deepEqual(presences.of(1, 7), { online: false, lastSeen: 7 });
  });

  test('that was deleted leaves nothing behind, and the end of its stream does nothing', () => {
    const { presences, turns, time } = new Subject();
    const left = presences.opened(1);
    presences.remove(1);
    left();
    time.advance(GRACE_MS);
    assert.equal(presences.onlineCount, 0);
    assert.deepEqual(presences.of(1, undefined), { online: false, lastSeen: undefined });
    assert.deepEqual(turns, [[1, true]]);
    assert.equal(time.pending, 0);
  });
});

describe('when the server stops', () => {
  test('nobody comes or goes any more, and it is known who was there until when', () => {
    const { presences, turns, time } = new Subject();
    const left = presences.opened(1);
    presences.opened(2)();
    const endedAt = time.now;
    time.advance(1_000);
    assert.deepEqual(
      presences.stop(),
      new Map([
        [1, time.now],
        [2, endedAt],
      ]),
    );
    left();
    presences.opened(3)();
    assert.equal(time.pending, 0);
    assert.equal(presences.onlineCount, 0);
    assert.deepEqual(turns, [
      [1, true],
      [2, true],
    ]);
  });
});

describe('after any history', () => {
  test('those are online that have a stream or had one within the grace period', () => {
    const step = fc.record({
      kind: fc.constantFrom('open', 'open', 'leave', 'leave', 'end', 'wait'),
      id: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { presences, turns, time } = new Subject();
        const streams = new Map<number, (() => void)[]>();
        for (const { kind, id } of steps) {
          const open = streams.get(id) ?? [];
          streams.set(id, open);
          if (kind === 'open') open.push(presences.opened(id));
          else if (kind === 'leave') open.shift()?.();
          else if (kind === 'end') {
            presences.end(id);
            for (const left of open.splice(0)) left();
          } else time.advance(3_000);
        }
        time.advance(GRACE_MS);
        for (const [id, open] of streams) {
          assert.equal(presences.isOnline(id), open.length > 0);
          const last = turns.findLast(([of]) => of === id)?.[1] ?? false;
          assert.equal(last, open.length > 0);
        }
        assert.equal(
          presences.onlineCount,
          [...streams].filter(([, open]) => open.length > 0).length,
        );
      }),
    );
  });
});
