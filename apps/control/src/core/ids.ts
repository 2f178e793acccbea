/**
 * The numbers of rows: one after the other for each table, over all tailnets of a database, and never
 * used again, also not after a deletion or where a change could not be stored.
 */
import type { TableName } from './change.ts';

export class Ids {
  readonly #last: Record<TableName, number>;

  /** `last`: how far they have come. */
  constructor(last: Readonly<Record<TableName, number>>) {
    this.#last = { ...last };
  }

  /** The next unused one; it stays the next until it is {@link spend}. */
  next(table: TableName): number {
    return this.#last[table] + 1;
  }

  /** One is used, whichever it is. */
  spend(table: TableName, id: number): void {
    this.#last[table] = Math.max(this.#last[table], id);
  }
}
