/** One purse of a budget: what its holders have together, who may have more, and who must give back. */
import type { Linked } from '../linked-order.ts';
import { type Holder, Shares } from './shares.ts';
import type { PurseName, Refusals, ShortageCause } from './shortage.ts';

export interface PurseLimits {
  /** All together. */
  readonly total: number;
  /** One address, or one who is known. */
  readonly each: number;
}

/** Something held, that may have to be given back. */
export interface Held extends Linked<Held> {
  readonly mayBeEvicted: boolean;
  /** Gives everything back, and tells who had it. */
  evict(): void;
}

export class Purse {
  readonly name: PurseName;
  readonly limits: PurseLimits;
  readonly refused: Refusals = { share: 0, total: 0 };
  /** Leases that were taken back. */
  evicted = 0;
  readonly #shares = new Shares<Held>();
  readonly #onShortage: (holder: string, cause: ShortageCause | 'evicted') => void;

  constructor(
    name: PurseName,
    limits: PurseLimits,
    onShortage: (holder: string, cause: ShortageCause | 'evicted') => void,
  ) {
    this.name = name;
    this.limits = limits;
    this.#onShortage = onShortage;
  }

  get used(): number {
    return this.#shares.used;
  }

  get holderCount(): number {
    return this.#shares.holderCount;
  }

  usedBy(holder: string): number {
    return this.#shares.find(holder)?.used ?? 0;
  }

  /** Hands out so much more, at the cost of others if need be; false: no room, nothing was handed out. */
  enter(name: string, amount: number, held: Held): boolean {
    const shares = this.#shares;
    const { total, each } = this.limits;
    while (this.usedBy(name) + amount > each) {
      if (amount > each || !this.#evictOne(shares.find(name), held)) {
        return this.#refuse(name, 'share');
      }
    }
    while (shares.used + amount > total) {
      // Who is among the largest takes no room from others.
      const loser = shares.isLargest(name) ? shares.find(name) : shares.largest();
      if (amount > total || !this.#evictOne(loser, held)) return this.#refuse(name, 'total');
    }
    const holder = shares.change(name, amount);
    if (held.mayBeEvicted) holder.evictable.append(held);
    return true;
  }

  /** Takes back so much; `isLast`: the lease has nothing more here. */
  leave(name: string, amount: number, held: Held, isLast: boolean): void {
    const holder = this.#shares.change(name, -amount);
    if (isLast) holder.evictable.delete(held);
  }

  touch(name: string, held: Held): void {
    const evictable = this.#shares.find(name)?.evictable;
    if (evictable?.has(held) === true) evictable.append(held);
  }

  #evictOne(holder: Holder<Held> | undefined, except: Held): boolean {
    const oldest = holder?.evictable.first;
    const held = oldest === except ? oldest.after : oldest;
    if (holder === undefined || held === undefined) return false;
    this.evicted++;
    held.evict();
    this.#onShortage(holder.name, 'evicted');
    return true;
  }

  #refuse(name: string, cause: ShortageCause): false {
    this.refused[cause]++;
    this.#onShortage(name, cause);
    return false;
  }
}
