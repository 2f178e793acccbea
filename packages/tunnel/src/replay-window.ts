/**
 * Which counters of a session have been seen. A ring of bits, of which whole words are cleared as the window
 * moves on, so that nothing is ever shifted. 8,192 bits, as wireguard-go has: packets of a path that keeps 8 Gbit/s
 * out of order for ten milliseconds still count.
 *
 * Source: WireGuard paper §5.4.6; RFC 6479 §2 (the ring), RFC 2401 appendix C (the window).
 */

const WORDS = 256;
/** A counter that lies so far behind the largest is too old: one word less than the ring has. */
export const WINDOW = (WORDS - 1) * 32;

export class ReplayWindow {
  readonly #seen = new Uint32Array(WORDS);
  /** The largest counter that was accepted. */
  #largest = -1;

  /** Whether `accept` would take the counter. Asked before the costly look whether a packet is authentic. */
  isNew(counter: number): boolean {
    if (counter > this.#largest) return true;
    if (counter <= this.#largest - WINDOW) return false;
    const word = this.#seen[Math.floor(counter / 32) % WORDS] ?? 0;
    return ((word >>> (counter % 32)) & 1) === 0;
  }

  /** Takes the counter of an authentic packet; false where it is too old or was taken before. */
  accept(counter: number): boolean {
    if (!this.isNew(counter)) return false;
    const word = Math.floor(counter / 32);
    if (counter > this.#largest) {
      const last = this.#largest < 0 ? -1 : Math.floor(this.#largest / 32);
      const steps = Math.min(word - last, WORDS);
      for (let i = 0; i < steps; i++) this.#seen[(word - i) % WORDS] = 0;
      this.#largest = counter;
    }
    const at = word % WORDS;
    this.#seen[at] = (this.#seen[at] ?? 0) | (1 << (counter % 32));
    return true;
  }
}
