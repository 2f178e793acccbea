/**
 * Where the state outlives the process. The interface that the ledger needs, and no more: load all at
 * start, then commit changes. SQLite implements it (sqlite.ts); PostgreSQL is to come, so every
 * implementation runs the same conformance suite (conformance.ts).
 */
import type { AuditEntry, Change, PolicyVersion } from '../core/change.ts';
import type { Snapshot } from '../core/state.ts';

/** How many audit entries of a node are kept; a client may send any number. */
export const MAX_AUDIT_ENTRIES = 1_000;

/** How many versions of the policy are kept. */
export const MAX_POLICY_VERSIONS = 1_000;

/** A version of the policy without its text. */
export type PolicyHead = Omit<PolicyVersion, 'text'>;

export interface Store {
  /** Every row, for the state in memory. Throws MallaError `store.*`. */
  load(): Promise<Snapshot>;
  /**
   * Writes all changes, in order, or none; durable, also against loss of power, when it returns. Of a
   * node's audit entries the newest {@link MAX_AUDIT_ENTRIES} stay; they go with the node. Of the
   * versions of the policy the newest {@link MAX_POLICY_VERSIONS} stay. Throws MallaError `store.unavailable` (disk full, I/O) or `store.locked`; a change that breaks a rule of
   * the schema is our own bug, `internal`.
   */
  commit(changes: readonly Change[]): Promise<void>;
  /** Finds out whether the database answers and can be written. Throws MallaError `store.*` if not. */
  check(): Promise<void>;
  /** Whether {@link check} finds no fault. Never throws. */
  healthy(): Promise<boolean>;
  /** The newest audit entries of a node, newest first, at most `limit`. */
  auditEntries(nodeId: number, limit: number): Promise<readonly AuditEntry[]>;
  /** The newest versions of the policy, newest first, at most `limit`. */
  policyHeads(limit: number): Promise<readonly PolicyHead[]>;
  /** A version of the policy; undefined where there is none, or no more. */
  policyVersion(id: number): Promise<PolicyVersion | undefined>;
  /**
   * Writes a consistent copy of the database to a new file while in use. Throws MallaError
   * `request.invalid` where the file exists.
   */
  backup(path: string): Promise<void>;
  /** Ends its use; nothing may be called afterwards. */
  close(): Promise<void>;
}
