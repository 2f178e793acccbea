/** For tests: a clock that is moved by hand, with timers on it, and a way to let promises settle. */
import { setImmediate as nextTurn } from 'node:timers/promises';

interface Timer {
  readonly at: number;
  readonly task: () => void;
}

export class VirtualTime {
  /** Unix ms, and monotonic ms as well. */
  now: number;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.UTC(2026, 6, 1)) {
    this.now = now;
  }

  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after = (delayMs: number, task: () => void): (() => void) => {
    const timer = { at: this.now + delayMs, task };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the clock, running what comes due in order, each at its time. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#timers.delete(due);
      this.now = Math.max(this.now, due.at);
      due.task();
    }
    this.now = end;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    }
    return first;
  }
}

/** Lets everything that needs no time happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}
