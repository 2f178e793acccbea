/**
 * Decides how long the relay lets packets gather in the kernel before it looks again.
 *
 * Nearly all of a relay's cost is system calls: one read per sender, one write per receiver and wake-up,
 * whether it carries one packet or thirty. So while much flows, the relay waits between two turns of
 * its event loop, as a network card does that coalesces interrupts. It waits only while more than
 * {@link BUSY_BYTES_PER_MS} flow, only for what is left of the interval since the last turn began (a
 * turn that had other work to do is not made longer), and never after a lone packet, which therefore
 * pays nothing. docs/performance.md has the figures.
 */

/** 64 Mbit/s: some 7 packets of full size in a millisecond. */
export const BUSY_BYTES_PER_MS = 8 * 1024;
/**
 * The default interval: under load, what a packet waits at each relay at most. Measured, 0.2 costs half as
 * much again per packet, 0.4 saves hardly more.
 */
export const GATHER_MS = 0.4;

export class Pacer {
  readonly #gatherMs: number;
  #windowStart: number;
  #bytesAtWindowStart = 0;
  #turnStart: number;
  #busy = false;

  constructor(gatherMs: number, now: number) {
    this.#gatherMs = gatherMs;
    this.#windowStart = now;
    this.#turnStart = now;
  }

  /** Whether so much flows that packets are better gathered. */
  get isBusy(): boolean {
    return this.#busy;
  }

  /**
   * At the end of a turn, with the number of bytes that have come in since the start: milliseconds to
   * wait before the next turn, 0 for none.
   */
  endTurn(now: number, totalBytes: number): number {
    const windowMs = now - this.#windowStart;
    if (windowMs >= 1) {
      this.#busy = totalBytes - this.#bytesAtWindowStart >= windowMs * BUSY_BYTES_PER_MS;
      this.#windowStart = now;
      this.#bytesAtWindowStart = totalBytes;
    }
    const waitMs = this.#busy ? Math.max(0, this.#turnStart + this.#gatherMs - now) : 0;
    this.#turnStart = now + waitMs;
    return waitMs;
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread: an event loop has no timer shorter than 1 ms. */
export function block(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}
