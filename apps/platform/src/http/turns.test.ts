import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ARRIVALS_FIRST, Turns, TURNS_A_ROUND } from './turns.ts';

/** Rounds of an event loop, moved by hand. */
class Rounds {
  #next: (() => void)[] = [];
  readonly nextRound = (task: () => void): void => void this.#next.push(task);

  run(): void {
    const tasks = this.#next;
    this.#next = [];
    for (const task of tasks) task();
  }

  runAll(): void {
    while (this.#next.length > 0) this.run();
  }
}

describe('turns', () => {
  test('go round the addresses, to each one’s requests in their order', () => {
    const rounds = new Rounds();
    const turns = new Turns(rounds.nextRound);
    const served: string[] = [];
    for (let n = 0; n < 1000; n++) turns.ask('flood', () => served.push(`flood ${n}`));
    turns.ask('a', () => served.push('a'));
    turns.ask('b', () => served.push('b 0'));
    turns.ask('b', () => served.push('b 1'));
    rounds.runAll();
    assert.deepEqual(served.slice(0, 6), ['flood 0', 'a', 'b 0', 'flood 1', 'b 1', 'flood 2']);
    assert.equal(served.length, 1003);
    assert.equal(turns.length, 0);
  });

  test('are so many in one round, and never at once', () => {
    const rounds = new Rounds();
    const turns = new Turns(rounds.nextRound);
    let served = 0;
    for (let n = 0; n < 100; n++) turns.ask('a', () => served++);
    assert.equal(served, 0);
    for (let round = 1; round <= 10; round++) {
      rounds.run();
      assert.equal(served, round * TURNS_A_ROUND);
    }
  });

  test('wait while connections arrive, round after round, but not for ever', () => {
    const rounds = new Rounds();
    const turns = new Turns(rounds.nextRound);
    let served = 0;
    for (let n = 0; n < 100; n++) turns.ask('a', () => served++);
    turns.arrived();
    rounds.run();
    assert.equal(served, 0);
    rounds.run();
    assert.equal(served, TURNS_A_ROUND);
    for (let round = 0; round < ARRIVALS_FIRST; round++) {
      turns.arrived();
      rounds.run();
      assert.equal(served, TURNS_A_ROUND);
    }
    turns.arrived();
    rounds.run();
    assert.equal(served, 2 * TURNS_A_ROUND);
    rounds.runAll();
    assert.equal(served, 100);
  });

  test('come up again for what asks during its turn, after what waited before', () => {
    const rounds = new Rounds();
    const turns = new Turns(rounds.nextRound);
    const served: string[] = [];
    turns.ask('a', () => {
      served.push('first');
      turns.ask('a', () => served.push('third'));
    });
    turns.ask('a', () => served.push('second'));
    rounds.runAll();
    assert.deepEqual(served, ['first', 'second', 'third']);
  });

  test('are forgotten by whoever goes away', () => {
    const rounds = new Rounds();
    const turns = new Turns(rounds.nextRound);
    const served: string[] = [];
    const forget = turns.ask('a', () => served.push('gone'));
    turns.ask('b', () => served.push('b'));
    const forgetLater = turns.ask('b', () => served.push('gone too'));
    forget();
    forget();
    assert.equal(turns.length, 2);
    forgetLater();
    rounds.runAll();
    forgetLater();
    assert.deepEqual(served, ['b']);
    assert.equal(turns.length, 0);
  });
});
