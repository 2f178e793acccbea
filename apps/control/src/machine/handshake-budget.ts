/**
 * How many Noise handshakes may be answered. One costs 0.4 ms of the thread that everybody is served on,
 * and anyone can ask for one: past the budget they are refused at no cost, and who is connected notices
 * nothing. The burst lets a whole tailnet back in after a restart.
 */
const BURST = 20_000;
const PER_SECOND = 500;

export class HandshakeBudget {
  #left = BURST;
  #at: number;

  /** Times are monotonic ms. */
  constructor(now: number) {
    this.#at = now;
  }

  /** Whether there is one more; if so it is spent. */
  take(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * PER_SECOND) / 1_000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
