/**
 * When each of many things is due, with the earliest at hand: a binary heap of which entries that were
 * moved or taken away are skipped when they come up. Setting, deleting and taking cost the logarithm of the
 * number of entries.
 */
import type { Instant } from './engine.ts';

interface Entry<Key> {
  readonly key: Key;
  readonly at: Instant;
  /** Tells apart those that are due at the same moment. */
  readonly turn: number;
}

/** Skipped entries that may lie in the heap beside as many that count. */
const SLACK = 64;

export class Deadlines<Key> {
  /** The entry that counts, by key. */
  readonly #entries = new Map<Key, Entry<Key>>();
  #heap: Entry<Key>[] = [];
  #turns = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** When a key is due. */
  of(key: Key): Instant | undefined {
    return this.#entries.get(key)?.at;
  }

  /** Makes a key due at a moment, in the place of any other. */
  set(key: Key, at: Instant): void {
    if (this.#entries.get(key)?.at === at) return;
    const entry = { key, at, turn: this.#turns++ };
    this.#entries.set(key, entry);
    this.#push(entry);
    if (this.#heap.length > 2 * this.#entries.size + SLACK) this.#rebuild();
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  /** The earliest deadline. */
  first(): Instant | undefined {
    this.#skip();
    return this.#heap[0]?.at;
  }

  /** Takes away a key that is due, the earliest first, of a moment the one that was set first; undefined when none is. */
  takeDue(now: Instant): Key | undefined {
    this.#skip();
    const [first] = this.#heap;
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    this.#entries.delete(first.key);
    return first.key;
  }

  /**
   * Takes away all that are due, one by one in the same order: what becomes due meanwhile is among them.
   *
   * @yields each key.
   */
  *takeAllDue(now: Instant): Generator<Key, void> {
    for (let key = this.takeDue(now); key !== undefined; key = this.takeDue(now)) yield key;
  }

  #skip(): void {
    for (let [first] = this.#heap; first !== undefined; [first] = this.#heap) {
      if (this.#entries.get(first.key) === first) return;
      this.#pop();
    }
  }

  #rebuild(): void {
    // Ascending order is a heap.
    this.#heap = [...this.#entries.values()].toSorted((a, b) => a.at - b.at || a.turn - b.turn);
  }

  #push(entry: Entry<Key>): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      if (below === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, below)) {
        below = right;
        child++;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore<Key>(a: Entry<Key>, b: Entry<Key>): boolean {
  return a.at < b.at || (a.at === b.at && a.turn < b.turn);
}
