/**
 * What changed for a class of viewers, in order. Each stream keeps a cursor into it; what lies between
 * the cursor and the head is its pending change. So changes merge while a stream is busy, a slow
 * stream costs nothing but its cursor, and streams at the same place share one encoded delta.
 */
import type { NodeId } from '@malla/netmap/node';
import type { UserId } from '@malla/netmap/user';

/** Entries kept; a stream further behind is ended and starts anew with a whole map. */
export const MAX_ENTRIES = 16_384;
/** Fewer are not worth a move of the rest. */
export const TRIM_ENTRIES = 1024;

/** Parts of a map response that all nodes share, or all of a class (`ssh`). */
export const Common = { derpMap: 1, dns: 2, ssh: 4 } as const;

export type LogEntry =
  /** `fields`: PatchField bits, or WHOLE_NODE. A node that went away is one that the viewer no longer sees. */
  | { readonly kind: 'node'; readonly id: NodeId; readonly fields: number }
  | { readonly kind: 'user'; readonly id: UserId }
  /** A named part of the packet filter differs, or is gone. */
  | { readonly kind: 'filter'; readonly name: string }
  | { readonly kind: 'common'; readonly parts: number };

/** The entries of a range, merged. */
export interface Merged {
  readonly nodes: ReadonlyMap<NodeId, number>;
  readonly users: ReadonlySet<UserId>;
  readonly filters: ReadonlySet<string>;
  readonly common: number;
}

export class ChangeLog {
  readonly #entries: LogEntry[] = [];
  /** Sequence number of the first entry that is kept. */
  #first = 0;

  /** One past the newest entry: the cursor of a stream that has seen all. */
  get head(): number {
    return this.#first + this.#entries.length;
  }

  /** How many entries are kept. */
  get length(): number {
    return this.#entries.length;
  }

  /** Where nobody reads, an entry moves the head and is not kept. */
  append(entry: LogEntry, isRead: boolean): void {
    if (!isRead) {
      this.#first = this.head + 1;
      this.#entries.length = 0;
      return;
    }
    this.#entries.push(entry);
    if (this.#entries.length > MAX_ENTRIES * 2) {
      this.#first += this.#entries.length - MAX_ENTRIES;
      this.#entries.splice(0, this.#entries.length - MAX_ENTRIES);
    }
  }

  /** What happened since a cursor; undefined when that is no longer known. */
  since(cursor: number): Merged | undefined {
    if (cursor < this.#first) return undefined;
    const nodes = new Map<NodeId, number>();
    const users = new Set<UserId>();
    const filters = new Set<string>();
    let common = 0;
    for (let i = cursor - this.#first; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry === undefined) break;
      if (entry.kind === 'node') nodes.set(entry.id, (nodes.get(entry.id) ?? 0) | entry.fields);
      else if (entry.kind === 'user') users.add(entry.id);
      else if (entry.kind === 'filter') filters.add(entry.name);
      else common |= entry.parts;
    }
    return { nodes, users, filters, common };
  }

  /** Forgets everything before the slowest cursor. */
  trim(slowest: number): void {
    const drop = Math.min(slowest - this.#first, this.#entries.length);
    if (drop < TRIM_ENTRIES) return;
    this.#entries.splice(0, drop);
    this.#first += drop;
  }
}
