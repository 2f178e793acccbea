import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine, Instant } from '@malla/base/engine';
import { Driver } from './drive.ts';
import { HandClock } from './testing/hand-clock.ts';

/** Says `alarm` at each moment that it was set to. */
class Alarm implements Engine<string> {
  readonly #at: Instant[] = [];
  readonly #events: string[] = [];

  handleSet(at: Instant): void {
    this.#at.push(at);
    this.#at.sort((a, b) => a - b);
    this.#events.push(`set ${at}`);
  }

  handleTimeout(now: Instant): void {
    for (let [first] = this.#at; first !== undefined && first <= now; [first] = this.#at) {
      this.#at.shift();
      this.#events.push(`alarm ${first}`);
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#at[0];
  }

  pollEvent(): string | undefined {
    return this.#events.shift();
  }
}

function drive(onEvent?: (event: string, driver: Driver<string, Alarm>) => void): {
  clock: HandClock;
  driver: Driver<string, Alarm>;
  events: string[];
} {
  const clock = new HandClock();
  const events: string[] = [];
  const driver: Driver<string, Alarm> = new Driver(
    new Alarm(),
    { now: () => clock.now(), after: (ms, task) => clock.after(ms, task) },
    (event) => {
      events.push(event);
      onEvent?.(event, driver);
    },
  );
  return { clock, driver, events };
}

describe('a driver', () => {
  test('wakes its engine when that wants to be woken, also when an earlier moment comes later', () => {
    const { clock, driver, events } = drive();
    const start = clock.now();
    driver.input((alarm, now) => alarm.handleSet(now + 20));
    driver.input((alarm, now) => alarm.handleSet(now + 10));
    events.length = 0;
    clock.advance(9);
    assert.deepEqual(events, []);
    clock.advance(1);
    assert.deepEqual(events, [`alarm ${start + 10}`]);
    clock.advance(10);
    assert.deepEqual(events.slice(1), [`alarm ${start + 20}`]);
  });

  test('hands events on in order, also those of inputs that an event leads to', () => {
    const { driver, events } = drive((event) => {
      if (event === 'set 1') driver.input((alarm) => alarm.handleSet(2));
    });
    driver.input((alarm) => {
      alarm.handleSet(1);
      alarm.handleSet(3);
    });
    assert.deepEqual(events, ['set 1', 'set 3', 'set 2']);
  });

  test('that was stopped wakes nobody', () => {
    const { clock, driver, events } = drive();
    driver.input((alarm, now) => alarm.handleSet(now + 10));
    driver.stop();
    clock.advance(100);
    assert.equal(events.length, 1);
  });

  test('takes what is to be sent after the events of every input, the passing of time too', () => {
    const clock = new HandClock();
    const log: string[] = [];
    const driver = new Driver<string, Alarm>(
      new Alarm(),
      { now: () => clock.now(), after: (ms, task) => clock.after(ms, task) },
      (event) => log.push(event),
      () => log.push('settled'),
    );
    const at = clock.now() + 5;
    driver.input((alarm) => alarm.handleSet(at));
    clock.advance(5);
    assert.deepEqual(log, [`set ${at}`, 'settled', `alarm ${at}`, 'settled']);
  });
});
