/**
 * Indices, by which a peer names our side of a handshake or session in its messages. They are random, so that
 * they tell nobody how many there are or which belong together, and bounded in number.
 *
 * Source: WireGuard paper §5.4.2.
 */
import type { RandomBytes } from '@malla/base/random';
import { readInt32 } from './little-endian.ts';

/** How many there may be at once: four each for a quarter of a million peers that all talk. */
export const MAX_INDICES = 1 << 20;
/** Drawn again when taken. With the table full that is one time in 4,096. */
const MAX_DRAWS = 64;

export class IndexTable<Entry> {
  readonly #entries = new Map<number, Entry>();
  readonly #random: RandomBytes;
  readonly #max: number;

  constructor(random: RandomBytes, max: number = MAX_INDICES) {
    this.#random = random;
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(index: number): Entry | undefined {
    return this.#entries.get(index);
  }

  /** A fresh index for an entry; undefined where there are too many. */
  add(entry: Entry): number | undefined {
    if (this.#entries.size >= this.#max) return undefined;
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const index = readInt32(this.#random(4), 0);
      if (this.#entries.has(index)) continue;
      this.#entries.set(index, entry);
      return index;
    }
    throw new Error('the source of randomness repeats itself');
  }

  /** Has an index mean something else from now on. */
  replace(index: number, entry: Entry): void {
    if (!this.#entries.has(index)) throw new Error('an index that nobody has');
    this.#entries.set(index, entry);
  }

  delete(index: number): void {
    this.#entries.delete(index);
  }
}
