/**
 * A token bucket for frames that cost work and bring nothing: pings, settings, resets, empty data.
 * Each is legal, and a peer that sends thousands of them is attacking: CVE-2019-9512 (pings), -9515
 * (settings), -9518 (empty frames), CVE-2023-44487 (rapid reset), CVE-2025-8671 (resets that the peer
 * provokes).
 */

/** Tokens that one frame costs. A request thrown away costs a server far more than an answer. */
export const NuisanceCost = { frame: 1, settings: 5, reset: 10 } as const;
export type NuisanceCost = (typeof NuisanceCost)[keyof typeof NuisanceCost];

/** Counts down by what is spent, and up again with time. */
export class FloodBudget {
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #at = 0;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#left = burst;
  }

  /** Pays `cost` at the time `now` (ms); false once nothing is left. */
  spend(cost: NuisanceCost, now: number): boolean {
    const elapsedMs = Math.max(0, now - this.#at);
    this.#left = Math.min(this.#burst, this.#left + elapsedMs * this.#perMs) - cost;
    this.#at = now;
    return this.#left >= 0;
  }
}
