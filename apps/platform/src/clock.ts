/** Time as programs see it: monotonic milliseconds and one-shot timers. Tests move it by hand. */
import type { Instant } from '@malla/base/engine';

export interface Clock {
  /** Monotonic milliseconds, with fractions, from an origin of the clock's choice. */
  readonly now: () => Instant;
  /** Calls back once after `ms`, unless the returned function is called before. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now() {
    return performance.now();
  },
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};
