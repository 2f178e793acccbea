/**
 * Where the state outlives the process. The interface that the ledger needs, and no more: load all at
 * start, then commit changes. SQLite implements it (sqlite.ts); PostgreSQL is to come, so every
 * implementation runs the same conformance suite (conformance.ts).
 */
import type { AuditEntry, Change } from '../core/change.ts';
import type { Snapshot } from '../core/state.ts';

export interface Store {
  /** Every row, for the state in memory. Throws MallaError `store.*`. */
  load(): Promise<Snapshot>;
  /**
   * Writes all changes or none; durable, also against loss of power, when it returns. Throws MallaError
   * `store.unavailable` (disk full, I/O) or `store.locked`.
   */
  commit(changes: readonly Change[]): Promise<void>;
  /** Whether the database answers and can be written. Never throws. */
  healthy(): Promise<boolean>;
  /** The newest audit entries of a node, newest first, at most `limit`. */
  auditEntries(nodeId: number, limit: number): Promise<readonly AuditEntry[]>;
  /** Writes a consistent copy of the database to a new file while in use. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
}
