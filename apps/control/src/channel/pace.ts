/**
 * How fast strangers may send: what they send is read before anything is known of them. Who is over its
 * budget is not refused but read later, in turn; its socket waits meanwhile, and so does its sender.
 *
 * What a thousand of them may send at once is not read at once either, but a slice at a time: between two
 * slices everything else has its turn, such as connections that are to be accepted.
 */
import type { RateBudget } from '@malla/platform/budget/rate-budget';
import { shareHolder } from '@malla/platform/budget/share-holder';

/** How often those that wait are looked at, ms. */
const LOOK_EVERY_MS = 50;
/** As much as is read between two rounds of other things, and what comes in with it: 2 ms of work. */
export const SLICE_BYTES: number = 16 << 10;
/** From one slice to the next, ms. */
const SLICE_MS = 2;

interface Waiting {
  readonly address: string;
  readonly bytes: number;
  readonly go: () => void;
}

export interface PaceOptions {
  readonly budget: RateBudget;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Calls back after so many ms. */
  readonly after: (delayMs: number, task: () => void) => void;
}

export class Pace {
  readonly #options: PaceOptions;
  /** By address or network, each in the order in which they came. */
  readonly #queues = new Map<string, Waiting[]>();
  /** Bytes of this slice. */
  #slice = 0;
  #isLookDue = false;
  #isSliceDue = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Whether so many bytes may be read now; if not, `go` is called when they may. */
  pass(address: string, bytes: number, go: () => void): boolean {
    const { budget, now } = this.#options;
    const holder = shareHolder(address);
    const queue = this.#queues.get(holder);
    if (queue === undefined && this.#slice < SLICE_BYTES && budget.take(address, now(), bytes)) {
      this.#slice += bytes;
      this.#nextSlice();
      return true;
    }
    const waiting = { address, bytes, go };
    if (queue === undefined) this.#queues.set(holder, [waiting]);
    else queue.push(waiting);
    this.#lookLater();
    return false;
  }

  /** Spends what a request costs beside its bytes. */
  charge(address: string, bytes: number): void {
    const { budget, now } = this.#options;
    budget.spend(address, now(), bytes);
    this.#slice += bytes;
  }

  /** Who has gone need not be read. */
  forget(address: string, go: () => void): void {
    const holder = shareHolder(address);
    const queue = this.#queues.get(holder)?.filter((waiting) => waiting.go !== go);
    if (queue === undefined) return;
    if (queue.length === 0) this.#queues.delete(holder);
    else this.#queues.set(holder, queue);
  }

  #lookLater(): void {
    if (this.#isLookDue || this.#queues.size === 0) return;
    this.#isLookDue = true;
    this.#options.after(LOOK_EVERY_MS, () => {
      this.#isLookDue = false;
      if (!this.#isSliceDue) this.#look();
      this.#lookLater();
    });
  }

  #nextSlice(): void {
    if (this.#isSliceDue) return;
    this.#isSliceDue = true;
    this.#options.after(SLICE_MS, () => {
      this.#isSliceDue = false;
      this.#slice = 0;
      this.#look();
    });
  }

  /** Reads the first of each address, then the second, until there is no more, or not now. */
  #look(): void {
    let holders = [...this.#queues.keys()];
    while (holders.length > 0 && this.#slice < SLICE_BYTES) {
      holders = holders.filter((holder) => this.#slice < SLICE_BYTES && this.#readFirst(holder));
    }
    if (this.#queues.size > 0 && this.#slice >= SLICE_BYTES) this.#nextSlice();
    else this.#slice = 0;
  }

  /** False: there is none, or its address has nothing left. */
  #readFirst(holder: string): boolean {
    const { budget, now } = this.#options;
    const queue = this.#queues.get(holder) ?? [];
    const [first] = queue;
    if (first === undefined || !budget.take(first.address, now(), first.bytes)) return false;
    // Who came first is first no more, so that all get something where all together have too little.
    this.#queues.delete(holder);
    if (queue.length > 1) this.#queues.set(holder, queue.slice(1));
    this.#slice += first.bytes;
    first.go();
    return true;
  }
}
