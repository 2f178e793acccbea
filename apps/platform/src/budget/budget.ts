/**
 * A budget of something that is held for a while: connections, bytes of bodies, logins that wait. It has
 * two purses. Strangers share one by address; whoever is known (a machine key that owns a node, an API
 * key) draws on the other under its own name. So a flood of strangers uses up what is the strangers',
 * and first of all the share of the address it comes from; nodes never wait for it.
 *
 *     const lease = budget.take(address, 1, () => socket.destroy());
 *     if (lease === undefined) return refuse();   // this address, or everybody, has too much
 *     lease.grow(chunk.length)                    // false: not so much more, and nothing is taken
 *     lease.touch();                              // was used just now: not the next to go
 *     lease.promote(machineKey);                  // is a node's: from now on from the other purse
 *     lease.release();                            // gives all of it back; again does nothing
 *
 * A lease that was taken with `evict` may be taken back: when its holder is at the limit, the holder's
 * least recently used one goes; when all together are, the one that holds most loses one so. Without
 * `evict` a lease stays until it is released, and who comes later is refused.
 *
 * Pure: no clock, no socket. What is held over time is here; what is spent by time is in rate-budget.ts.
 */
import { type Held, Purse, type PurseLimits } from './purse.ts';
import { shareHolder } from './share-holder.ts';
import type { OnShortage } from './shortage.ts';

export interface BudgetOptions {
  /** As metrics and the log name it. */
  readonly name: string;
  readonly strangers: PurseLimits;
  readonly known: PurseLimits;
  /** Called each time that somebody is refused or loses a lease. */
  readonly onShortage?: OnShortage;
}

/** A part of a budget in somebody's hands. */
export interface Lease {
  /** What it holds; 0 after the end. */
  readonly amount: number;
  /** Whether it draws on the purse of those who are known. */
  readonly isKnown: boolean;
  /** Takes so much more, all or nothing. */
  grow(by: number): boolean;
  /** Gives so much back. */
  shrink(by: number): void;
  /** Puts it last among those of its holder that may be taken back. */
  touch(): void;
  /** A stranger's: moves it to another address's share. False: there is no room, and it is released. */
  assign(address: string): boolean;
  /** Moves it to the other purse. False: there is no room, and it stays as it is. */
  promote(name: string): boolean;
  release(): void;
}

export class Budget {
  readonly name: string;
  readonly strangers: Purse;
  readonly known: Purse;

  constructor({ name, strangers, known, onShortage }: BudgetOptions) {
    this.name = name;
    this.strangers = new Purse('strangers', strangers, (holder, cause) =>
      onShortage?.({ budget: name, purse: 'strangers', cause, holder }),
    );
    this.known = new Purse('known', known, (holder, cause) =>
      onShortage?.({ budget: name, purse: 'known', cause, holder }),
    );
  }

  /** A lease for a stranger at an address; undefined: there is no room. `amount` may be 0. */
  take(address: string, amount: number, evict?: () => void): Lease | undefined {
    return this.#open(this.strangers, shareHolder(address), amount, evict);
  }

  /** A lease for one who is known, under its name; undefined: there is no room. */
  takeKnown(name: string, amount: number, evict?: () => void): Lease | undefined {
    return this.#open(this.known, name, amount, evict);
  }

  #open(purse: Purse, holder: string, amount: number, evict?: () => void): Lease | undefined {
    const lease = new PurseLease(purse, holder, this.known, evict);
    return lease.grow(amount) ? lease : undefined;
  }
}

class PurseLease implements Lease, Held {
  amount = 0;
  before: Held | undefined;
  after: Held | undefined;
  #purse: Purse;
  #holder: string;
  readonly #known: Purse;
  readonly #onEvict: (() => void) | undefined;

  constructor(purse: Purse, holder: string, known: Purse, onEvict: (() => void) | undefined) {
    this.#purse = purse;
    this.#holder = holder;
    this.#known = known;
    this.#onEvict = onEvict;
  }

  get isKnown(): boolean {
    return this.#purse === this.#known;
  }

  get mayBeEvicted(): boolean {
    return this.#onEvict !== undefined;
  }

  grow(by: number): boolean {
    if (by <= 0) return true;
    if (!this.#purse.enter(this.#holder, by, this)) return false;
    this.amount += by;
    return true;
  }

  shrink(by: number): void {
    const less = Math.min(by, this.amount);
    if (less <= 0) return;
    this.amount -= less;
    this.#purse.leave(this.#holder, less, this, this.amount === 0);
  }

  touch(): void {
    this.#purse.touch(this.#holder, this);
  }

  assign(address: string): boolean {
    const holder = shareHolder(address);
    if (this.isKnown || holder === this.#holder) return true;
    const { amount } = this;
    this.release();
    this.#holder = holder;
    return this.grow(amount);
  }

  promote(name: string): boolean {
    if (this.isKnown) return true;
    const { amount } = this;
    if (amount > 0 && !this.#known.enter(name, amount, this)) return false;
    this.release();
    this.#purse = this.#known;
    this.#holder = name;
    this.amount = amount;
    return true;
  }

  release(): void {
    this.shrink(this.amount);
  }

  evict(): void {
    this.release();
    this.#onEvict?.();
  }
}
