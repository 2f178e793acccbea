/** What a migration is: one step of the schema, forward only. */
import type { DatabaseSync } from 'node:sqlite';

export interface Migration {
  /** 1, 2, 3, ... without gaps; the database remembers the last one applied. */
  readonly version: number;
  /** As in the file's name. */
  readonly title: string;
  /** Runs inside a transaction, with foreign keys unchecked until its end. */
  readonly apply: (database: DatabaseSync) => void;
}
