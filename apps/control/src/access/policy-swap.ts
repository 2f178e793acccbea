/**
 * Brings policies into force without holding up the thread: one is made ready beside the one in force in slices, between
 * which others use the thread, and takes its place in one turn. Of several that are set in the meantime only the last
 * takes it.
 */
import type { Clock } from '@malla/platform/clock';
import type { Policy } from '@malla/policy/policy';

/** After which others may use the thread, ms. To take the place is one more turn. */
export const PREPARE_SLICE_MS = 10;

export interface PolicySwapOptions<Touched> {
  /** Makes a policy ready, a little at each step; undefined: the default. Ends with what puts it in force. */
  readonly prepare: (policy: Policy | undefined) => Iterator<void, () => Touched>;
  /** Puts it in force by `ready`, and does what follows from that. */
  readonly swap: (policy: Policy | undefined, ready: () => Touched) => void;
  readonly clock: Clock;
}

/** Who waits until what was set is in force. */
type Waiting = Pick<PromiseWithResolvers<void>, 'resolve' | 'reject'>;

export class PolicySwap<Touched> {
  readonly #options: PolicySwapOptions<Touched>;
  #waiting: Waiting[] = [];
  #cancel: () => void = () => {};

  constructor(options: PolicySwapOptions<Touched>) {
    this.#options = options;
  }

  /**
   * Puts a policy in force: before it returns, if that takes less than a slice. Resolves when it is, or one that was set
   * after it; rejects if that fails.
   */
  set(policy: Policy | undefined): Promise<void> {
    this.#cancel();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ resolve, reject });
    const steps = this.#options.prepare(policy);
    this.#run(() => this.#slice(policy, steps));
    return promise;
  }

  /** Leaves undone what is not in force yet: nobody is to be told any more. */
  stop(): void {
    this.#cancel();
    this.#end(({ resolve }) => resolve());
  }

  #slice(policy: Policy | undefined, steps: Iterator<void, () => Touched>): void {
    const { now } = this.#options.clock;
    const began = now();
    for (;;) {
      const step = steps.next();
      const isOver = now() - began >= PREPARE_SLICE_MS;
      if (step.done === true) {
        const ready = step.value;
        if (isOver) this.#later(() => this.#swap(policy, ready));
        else this.#swap(policy, ready);
        return;
      }
      if (isOver) return this.#later(() => this.#slice(policy, steps));
    }
  }

  #swap(policy: Policy | undefined, ready: () => Touched): void {
    this.#options.swap(policy, ready);
    this.#end(({ resolve }) => resolve());
  }

  #later(task: () => void): void {
    this.#cancel = this.#options.clock.after(0, () => this.#run(task));
  }

  #run(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#end(({ reject }) => reject(error));
    }
  }

  #end(tell: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) tell(each);
  }
}
