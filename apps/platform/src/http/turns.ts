/**
 * Who is served next, while many want to be: one address after the other, each with the first of what it
 * has waiting. So an address with thousands of requests at once delays itself, and another waits for a
 * turn of each address and not for all of their requests.
 *
 * In one round of the event loop only so many get their turn: between rounds everything else goes on,
 * such as nodes that hold a connection already. A listener accepts few connections in each round, and those
 * that wait for it stand in a queue of the system's, where all addresses are alike: so while connections
 * come in, rounds are kept short, and turns wait until that queue is empty or have waited for long enough.
 *
 * Pure: it is given what calls back in the next round.
 */
import { type Linked, LinkedOrder } from '../linked-order.ts';

/** Turns in one round. A request costs 0.1 ms, a TLS handshake up to 1 ms. */
export const TURNS_A_ROUND = 4;
/** Rounds that turns wait for connections to be accepted, at most. */
export const ARRIVALS_FIRST = 4;

export class Turns {
  readonly #nextRound: (task: () => void) => void;
  readonly #addresses = new Map<string, Address>();
  /** Those with something that waits, in the order of their next turns. */
  readonly #order = new LinkedOrder<Address>();
  #scheduled = 0;
  #length = 0;
  /** Whether somebody has arrived in this round. */
  #arrived = false;
  /** Rounds in a row in which turns waited. */
  #waited = 0;
  /** Turns of this round that are yet to be put off. */
  #putOff = 0;

  /** `nextRound` calls back in the next round of the event loop, as setImmediate does. */
  constructor(nextRound: (task: () => void) => void) {
    this.#nextRound = nextRound;
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** Has `task` called when it is its turn, never at once. The function that is returned takes it back. */
  ask(name: string, task: () => void): () => void {
    const address = this.#addresses.get(name) ?? new Address(name);
    const waiting = new Waiting(task);
    address.waiting.append(waiting);
    this.#length++;
    if (!this.#order.has(address)) {
      this.#addresses.set(name, address);
      this.#order.append(address);
    }
    this.#schedule();
    return () => this.#drop(address, waiting);
  }

  /** A connection was accepted: there may be more. */
  arrived(): void {
    this.#arrived = true;
  }

  #drop(address: Address, waiting: Waiting): void {
    if (!address.waiting.has(waiting)) return;
    address.waiting.delete(waiting);
    this.#length--;
    if (address.waiting.first !== undefined) return;
    this.#order.delete(address);
    this.#addresses.delete(address.name);
  }

  #schedule(): void {
    while (this.#scheduled < Math.min(TURNS_A_ROUND, this.#length)) {
      this.#scheduled++;
      this.#nextRound(this.#turn);
    }
  }

  readonly #turn = (): void => {
    this.#scheduled--;
    if (this.#isRoundOfArrivals()) return this.#schedule();
    const address = this.#order.first;
    const waiting = address?.waiting.first;
    if (address === undefined || waiting === undefined) return;
    this.#order.append(address);
    this.#drop(address, waiting);
    this.#schedule();
    waiting.task();
  };

  /** Whether the turns of this round wait; all of them do, or none. */
  #isRoundOfArrivals(): boolean {
    if (this.#putOff > 0) {
      this.#putOff--;
      return true;
    }
    const waits = this.#arrived && this.#waited < ARRIVALS_FIRST;
    this.#arrived = false;
    this.#waited = waits ? this.#waited + 1 : 0;
    // The others of this round are scheduled already.
    if (waits) this.#putOff = this.#scheduled;
    return waits;
  }
}

class Address implements Linked<Address> {
  before: Address | undefined;
  after: Address | undefined;
  readonly name: string;
  readonly waiting = new LinkedOrder<Waiting>();

  constructor(name: string) {
    this.name = name;
  }
}

class Waiting implements Linked<Waiting> {
  before: Waiting | undefined;
  after: Waiting | undefined;
  readonly task: () => void;

  constructor(task: () => void) {
    this.task = task;
  }
}
