/**
 * Who holds how much of one thing, and who holds most. Every step takes constant time, however many
 * holders there are: they stand in ranks by size, and "most" is exact to a tenth.
 */
import { type Linked, LinkedOrder } from '../linked-order.ts';

export interface Holder<L extends Linked<L>> {
  readonly name: string;
  used: number;
  /** Leases that may be taken back, the one first that was used least recently. */
  readonly evictable: LinkedOrder<L>;
}

/** Up to here each size is a rank; above there are {@link STEPS} ranks between a size and its double. */
const EXACT = 16;
const STEPS = 8;
const FIRST_LOGARITHM = Math.log2(EXACT) * STEPS;

export class Shares<L extends Linked<L>> {
  readonly #holders = new Map<string, Holder<L>>();
  readonly #ranks: Set<Holder<L>>[] = [];
  #top = 0;
  #used = 0;

  /** What all hold together. */
  get used(): number {
    return this.#used;
  }

  /** How many hold something. */
  get holderCount(): number {
    return this.#holders.size;
  }

  find(name: string): Holder<L> | undefined {
    return this.#holders.get(name);
  }

  usedBy(name: string): number {
    return this.#holders.get(name)?.used ?? 0;
  }

  /** Gives a holder more, or takes some back: who has nothing and no lease is forgotten. */
  change(name: string, by: number): Holder<L> {
    const holder = this.#holders.get(name) ?? { name, used: 0, evictable: new LinkedOrder<L>() };
    const before = rankOf(holder.used);
    holder.used += by;
    this.#used += by;
    const rank = rankOf(holder.used);
    if (rank !== before) this.#ranks[before]?.delete(holder);
    if (holder.used === 0) this.#holders.delete(name);
    else {
      this.#holders.set(name, holder);
      (this.#ranks[rank] ??= new Set()).add(holder);
      this.#top = Math.max(this.#top, rank);
    }
    return holder;
  }

  /** A holder of most; undefined while nobody holds anything. */
  largest(): Holder<L> | undefined {
    while (this.#top > 0 && (this.#ranks[this.#top]?.size ?? 0) === 0) this.#top--;
    return this.#ranks[this.#top]?.values().next().value;
  }

  /** Whether a holder is among the largest, as far as they are told apart. */
  isLargest(name: string): boolean {
    const largest = this.largest();
    return largest === undefined || rankOf(this.usedBy(name)) >= rankOf(largest.used);
  }
}

function rankOf(used: number): number {
  if (used <= EXACT) return used;
  return EXACT + Math.floor(Math.log2(used) * STEPS) - FIRST_LOGARITHM;
}
