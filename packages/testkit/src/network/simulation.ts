/**
 * One clock, one queue of what is to happen, and one source of chance for a simulated network: a run is the
 * same again for the same seed.
 */
import { Deadlines } from '@malla/base/deadlines';
import type { Instant } from '@malla/base/engine';

type Task = () => void;

export class Simulation {
  readonly seed: number;
  readonly #tasks = new Deadlines<{ readonly task: Task }>();
  #now: Instant = 0;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = (seed * 2_654_435_761 + 0x9e3779b9) | 1;
  }

  get now(): Instant {
    return this.#now;
  }

  /** Does something after so many ms; what is due at the same moment is done in the order it was asked for. */
  after(delayMs: number, task: Task): void {
    this.#tasks.set({ task }, this.#now + delayMs);
  }

  /** Lets so many ms pass. */
  run(ms: number): void {
    const until = this.#now + ms;
    for (let at = this.#tasks.first(); at !== undefined && at <= until; at = this.#tasks.first()) {
      this.#now = Math.max(this.#now, at);
      this.#tasks.takeDue(at)?.task();
    }
    this.#now = until;
  }

  /** At least 0 and less than 1. */
  chance(): number {
    return this.#next() / 0x1_0000_0000;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.chance() * limit);
  }

  pick<T>(of: readonly T[]): T {
    const found = of[this.below(of.length)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }

  /** Bytes for keys and ids: of the seed, so good for nothing else. */
  readonly bytes = (count: number): Uint8Array => {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.#next() >>> 24;
    return out;
  };

  /** 32 bits by xorshift, stirred so that its high bits are as good as the rest. */
  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return Math.imul(this.#state, 0x9e3779b1) >>> 0;
  }
}
