import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { settle, VirtualTime } from './testing/virtual-time.ts';
import { type Duty, Upkeep } from './upkeep.ts';

class Subject {
  readonly time = new VirtualTime(0);
  readonly done: string[] = [];
  readonly errors: unknown[] = [];
  readonly due = new Map<string, number>();
  readonly upkeep: Upkeep;

  constructor(runs: Readonly<Record<string, () => void | Promise<void>>>) {
    const duties = Object.entries(runs).map(([name, run]): Duty => {
      return {
        dueIn: () => {
          const at = this.due.get(name);
          return at === undefined ? undefined : at - this.time.now;
        },
        run: () => {
          this.done.push(`${name} ${this.time.now}`);
          this.due.delete(name);
          return run();
        },
      };
    });
    const clock = { now: () => this.time.now, after: this.time.after };
    this.upkeep = new Upkeep(duties, clock, (error) => this.errors.push(error));
  }

  expect(name: string, at: number): void {
    this.due.set(name, at);
    this.upkeep.look();
  }
}

const NOTHING = (): void => {};

describe('upkeep', () => {
  test('has no timer while nothing will be due', () => {
    const { time } = new Subject({ a: NOTHING });
    assert.equal(time.pending, 0);
  });

  test('does each duty at its time, and once', () => {
    const subject = new Subject({ a: NOTHING, b: NOTHING });
    subject.expect('b', 700);
    subject.expect('a', 300);
    subject.time.advance(10_000);
    assert.deepEqual(subject.done, ['a 300', 'b 700']);
    assert.equal(subject.time.pending, 0);
  });

  test('does what is due already with the next turn of the clock', () => {
    const subject = new Subject({ a: NOTHING });
    subject.expect('a', -5);
    assert.deepEqual(subject.done, []);
    subject.time.advance(0);
    assert.deepEqual(subject.done, ['a 0']);
  });

  test('that was told of a nearer time, or a later one, keeps to what is said last', () => {
    const subject = new Subject({ a: NOTHING });
    subject.expect('a', 500);
    subject.expect('a', 200);
    subject.expect('a', 900);
    subject.time.advance(899);
    assert.deepEqual(subject.done, []);
    subject.time.advance(1);
    assert.deepEqual(subject.done, ['a 900']);
  });

  test('looks each minute at what is far away: the wall clock may have been set', () => {
    const subject = new Subject({ a: NOTHING });
    subject.expect('a', 86_400_000);
    subject.time.advance(59_000);
    subject.due.set('a', 60_000);
    subject.time.advance(1_000);
    assert.deepEqual(subject.done, ['a 60000']);
  });

  test('does nothing twice at a time', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const subject = new Subject({ a: () => promise });
    subject.expect('a', 1);
    subject.time.advance(1);
    subject.expect('a', 2);
    subject.time.advance(10);
    assert.deepEqual(subject.done, ['a 1']);
    resolve(undefined);
    await settle();
    subject.time.advance(0);
    assert.deepEqual(subject.done, ['a 1', 'a 11']);
  });

  test('leaves a duty that failed alone for a while, and others not', async () => {
    const subject = new Subject({
      a: () => Promise.reject(new Error('later')),
      b: () => {
        throw new Error('at once');
      },
      c: NOTHING,
    });
    for (const name of ['a', 'b', 'c']) subject.expect(name, 0);
    subject.time.advance(0);
    await settle();
    assert.equal(subject.errors.length, 2);
    for (const name of ['a', 'b', 'c']) subject.expect(name, 0);
    subject.time.advance(4_999);
    assert.deepEqual(subject.done, ['a 0', 'b 0', 'c 0', 'c 0']);
    subject.time.advance(1);
    assert.deepEqual(subject.done.slice(4), ['a 5000', 'b 5000']);
  });

  test('that stops begins nothing, and waits for what was begun', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const subject = new Subject({ a: () => promise, b: NOTHING });
    subject.expect('a', 1);
    subject.expect('b', 5);
    subject.time.advance(1);
    let isStopped = false;
    const stopping = subject.upkeep.stop().then(() => (isStopped = true));
    await settle();
    assert.equal(isStopped, false);
    resolve(undefined);
    await stopping;
    subject.time.advance(100);
    assert.deepEqual(subject.done, ['a 1']);
    assert.equal(subject.time.pending, 0);
  });
});
