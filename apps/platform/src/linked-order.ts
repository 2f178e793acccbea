/**
 * Things in an order, as a list that is linked through them: to append, to move to the end and to remove
 * take constant time, also at the front. (The first entry of a Map or Set that was deleted from costs as
 * much as there were entries before it.)
 */

/** What a thing in a {@link LinkedOrder} has to have; for the list alone. */
export interface Linked<T> {
  before: T | undefined;
  after: T | undefined;
}

export class LinkedOrder<T extends Linked<T>> {
  #first: T | undefined;
  #last: T | undefined;

  get first(): T | undefined {
    return this.#first;
  }

  has(thing: T): boolean {
    return thing.before !== undefined || this.#first === thing;
  }

  /** Puts a thing last, whether it was here or not. */
  append(thing: T): void {
    if (this.#last === thing) return;
    this.delete(thing);
    thing.before = this.#last;
    if (this.#last === undefined) this.#first = thing;
    else this.#last.after = thing;
    this.#last = thing;
  }

  delete(thing: T): void {
    if (!this.has(thing)) return;
    if (thing.before === undefined) this.#first = thing.after;
    else thing.before.after = thing.after;
    if (thing.after === undefined) this.#last = thing.before;
    else thing.after.before = thing.before;
    thing.before = thing.after = undefined;
  }
}
