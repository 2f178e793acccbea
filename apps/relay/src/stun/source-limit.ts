/** How often one address may ask in a second. Bounded: a flood of addresses begins the second anew. */
import type { Clock } from '@malla/platform/clock';

/** A node asks some ten times when its network changes; a whole office may share an address. */
export const MAX_PER_SECOND = 200;
const MAX_SOURCES = 50_000;

export class SourceLimit {
  readonly #clock: Clock;
  readonly #asked = new Map<string, number>();
  #second = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a question; whether it may be answered. */
  allows(source: string): boolean {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second || this.#asked.size >= MAX_SOURCES) {
      this.#second = second;
      this.#asked.clear();
    }
    const asked = (this.#asked.get(source) ?? 0) + 1;
    this.#asked.set(source, asked);
    return asked <= MAX_PER_SECOND;
  }
}
