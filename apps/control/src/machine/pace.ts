/**
 * How fast strangers may send: what they send is read before anything is known of them. Who is over its
 * budget is not refused but read later, in turn; its socket waits meanwhile, and so does its sender.
 */
import type { RateBudget } from '@malla/platform/budget/rate-budget';
import { shareHolder } from '@malla/platform/budget/share-holder';

/** How often those that wait are looked at, ms. */
const LOOK_EVERY_MS = 50;

interface Waiting {
  readonly address: string;
  readonly bytes: number;
  readonly go: () => void;
}

export interface PaceOptions {
  readonly budget: RateBudget;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
}

export class Pace {
  readonly #options: PaceOptions;
  /** By address or network, each in the order in which they came. */
  readonly #queues = new Map<string, Waiting[]>();
  #cancel: (() => void) | undefined;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Whether so many bytes may be read now; if not, `go` is called when they may. */
  pass(address: string, bytes: number, go: () => void): boolean {
    const { budget, now } = this.#options;
    const holder = shareHolder(address);
    const queue = this.#queues.get(holder);
    if (queue === undefined && budget.take(address, now(), bytes)) return true;
    const waiting = { address, bytes, go };
    if (queue === undefined) this.#queues.set(holder, [waiting]);
    else queue.push(waiting);
    this.#schedule();
    return false;
  }

  /** Spends what a request costs beside its bytes. */
  charge(address: string, bytes: number): void {
    const { budget, now } = this.#options;
    budget.spend(address, now(), bytes);
  }

  /** Who has gone need not be read. */
  forget(address: string, go: () => void): void {
    const holder = shareHolder(address);
    const queue = this.#queues.get(holder)?.filter((waiting) => waiting.go !== go);
    if (queue === undefined) return;
    if (queue.length === 0) this.#queues.delete(holder);
    else this.#queues.set(holder, queue);
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#queues.size === 0) return;
    this.#cancel = this.#options.after(LOOK_EVERY_MS, () => {
      this.#cancel = undefined;
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const { budget, now } = this.#options;
    const queues = [...this.#queues];
    for (const [holder, queue] of queues) {
      let passed = 0;
      for (const { address, bytes } of queue) {
        if (!budget.take(address, now(), bytes)) break;
        passed++;
      }
      if (passed === 0) continue;
      // Who came first is first no more, so that all get something where all together have too little.
      this.#queues.delete(holder);
      if (passed < queue.length) this.#queues.set(holder, queue.slice(passed));
      for (const { go } of queue.slice(0, passed)) go();
    }
  }
}
