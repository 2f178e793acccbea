/**
 * Things in the order in which they were last used, as a list that is linked through them: to add, to
 * move to the end and to remove take constant time. (The first entry of a Set costs as much as there
 * were entries before it that are deleted.)
 */

/** What a thing in a {@link Recency} has to have; for the list alone. */
export interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
}

export class Recency<T extends Linked<T>> {
  #oldest: T | undefined;
  #newest: T | undefined;

  get oldest(): T | undefined {
    return this.#oldest;
  }

  has(thing: T): boolean {
    return thing.older !== undefined || this.#oldest === thing;
  }

  /** Puts a thing last, whether it was here or not. */
  touch(thing: T): void {
    if (this.#newest === thing) return;
    this.delete(thing);
    thing.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = thing;
    else this.#newest.newer = thing;
    this.#newest = thing;
  }

  delete(thing: T): void {
    if (!this.has(thing)) return;
    if (thing.older === undefined) this.#oldest = thing.newer;
    else thing.older.newer = thing.newer;
    if (thing.newer === undefined) this.#newest = thing.older;
    else thing.newer.older = thing.older;
    thing.older = thing.newer = undefined;
  }
}
