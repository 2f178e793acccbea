/**
 * A budget of something that is spent: handshakes, bytes of JSON that are parsed. It fills up again by
 * time. Each address has a share beneath what all have together, so that one that asks without end is
 * refused while others are not. Who turns out to be known gets back what it spent, or draws on a budget
 * of its own under its name.
 *
 *     if (!budget.take(address, now)) return refuse();
 *     …                                       // is a node's after all:
 *     budget.giveBack(address, now);
 *
 * Bounded: it remembers up to twice {@link MAX_HOLDERS} holders; beyond, those that asked longest ago are
 * forgotten and have their full share again, so then it is the total that holds.
 *
 * Pure: times are passed in, monotonic milliseconds.
 */
import { shareHolder } from './share-holder.ts';
import type { OnShortage, PurseName, Refusals, ShortageCause } from './shortage.ts';

/** How much at once, and how much a second after that. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface RateBudgetOptions {
  /** As metrics and the log name it. */
  readonly name: string;
  /** Whose: strangers' shares are by address, those of the known by name. */
  readonly purse: PurseName;
  readonly total: Rate;
  readonly each: Rate;
  /** Called each time that somebody is refused. */
  readonly onShortage?: OnShortage;
}

/** Holders that are remembered in any case. */
export const MAX_HOLDERS = 20_000;

interface Bucket {
  left: number;
  at: number;
}

export class RateBudget {
  readonly name: string;
  readonly purse: PurseName;
  readonly total: Rate;
  readonly each: Rate;
  readonly refused: Refusals = { share: 0, total: 0 };
  readonly #all: Bucket;
  /** Those that asked last, and those before them. */
  #holders = new Map<string, Bucket>();
  #before = new Map<string, Bucket>();
  readonly #onShortage: OnShortage | undefined;

  constructor({ name, purse, total, each, onShortage }: RateBudgetOptions) {
    this.name = name;
    this.purse = purse;
    this.total = total;
    this.each = each;
    this.#all = { left: total.burst, at: 0 };
    this.#onShortage = onShortage;
  }

  /** What is spent of the burst, for all together, and not filled up again. */
  used(now: number): number {
    return this.total.burst - this.#left(now);
  }

  /** How many holders are remembered. */
  get holderCount(): number {
    return this.#holders.size + this.#before.size;
  }

  /** Whether there is so much; if so it is spent. `from`: an address, or the name of one who is known. */
  take(from: string, now: number, amount = 1): boolean {
    const holder = this.#holderOf(from);
    const own = this.#bucket(holder, now);
    if (own.left < amount) return this.#refuse(holder, 'share');
    if (this.#left(now) < amount) return this.#refuse(holder, 'total');
    own.left -= amount;
    this.#all.left -= amount;
    return true;
  }

  /** Spends without asking: what is spent beyond what there was must fill up again before there is more. */
  spend(from: string, now: number, amount: number): void {
    this.#bucket(this.#holderOf(from), now).left -= amount;
    this.#left(now);
    this.#all.left -= amount;
  }

  /** Undoes a {@link take}. */
  giveBack(from: string, now: number, amount = 1): void {
    const own = this.#bucket(this.#holderOf(from), now);
    own.left = Math.min(this.each.burst, own.left + amount);
    this.#all.left = Math.min(this.total.burst, this.#left(now) + amount);
  }

  #left(now: number): number {
    refill(this.#all, this.total, now);
    return this.#all.left;
  }

  #holderOf(from: string): string {
    return this.purse === 'strangers' ? shareHolder(from) : from;
  }

  #bucket(holder: string, now: number): Bucket {
    const bucket = this.#holders.get(holder) ??
      this.#before.get(holder) ?? { left: this.each.burst, at: now };
    if (this.#holders.size >= MAX_HOLDERS && !this.#holders.has(holder)) {
      this.#before = this.#holders;
      this.#holders = new Map();
    }
    this.#before.delete(holder);
    this.#holders.set(holder, bucket);
    refill(bucket, this.each, now);
    return bucket;
  }

  #refuse(holder: string, cause: ShortageCause): false {
    this.refused[cause]++;
    this.#onShortage?.({ budget: this.name, purse: this.purse, cause, holder });
    return false;
  }
}

function refill(bucket: Bucket, { burst, perSecond }: Rate, now: number): void {
  const passedMs = Math.max(0, now - bucket.at);
  bucket.left = Math.min(burst, bucket.left + (passedMs * perSecond) / 1_000);
  bucket.at = Math.max(bucket.at, now);
}
