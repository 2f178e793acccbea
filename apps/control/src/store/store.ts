/**
 * Where the state outlives the process. The interface that the ledger needs, and no more: load all at
 * start, then commit changes. SQLite implements it (sqlite.ts); PostgreSQL is to come, so every
 * implementation runs the same conformance suite (conformance.ts).
 */
import type { AuditEntry, Change, PolicyVersion, TableName, Tables } from '../core/change.ts';
import type { Snapshot } from '../core/state.ts';
import type { TailnetId } from '@malla/netmap/user';

/** How many audit entries of a node are kept; a client may send any number. */
export const MAX_AUDIT_ENTRIES = 1_000;

/** How many versions of a tailnet's policy are kept. */
export const MAX_POLICY_VERSIONS = 1_000;

/** A version of the policy without its text. */
export type PolicyHead = Omit<PolicyVersion, 'text'>;

/**
 * How often a database has been committed to: what tells two states of it apart. A batch is computed from
 * one and commits only at that one.
 */
export type Revision = number;

/** For how many of the newest revisions it is known which rows they wrote. */
export const KEPT_REVISIONS = 10_000;

/** A row that was written or deleted, as it is now. */
export type Written = {
  readonly [T in TableName]: {
    readonly table: T;
    readonly id: number;
    /** Absent: the row is deleted. */
    readonly after: Tables[T] | undefined;
  };
}[TableName];

export interface Changes {
  readonly revision: Revision;
  readonly rows: readonly Written[];
}

export interface Store {
  /** Every row of a tailnet, for the state in memory. Throws MallaError `store.*`. */
  load(tailnet: TailnetId): Promise<Snapshot>;
  /** The revision that the database is at. Throws MallaError `store.*`. */
  revision(): Promise<Revision>;
  /**
   * Writes all changes, in order, or none, and gives the revision that the database is at then; with
   * `expected` only while it is at that one. Durable, also against loss of power, when it returns. Of a
   * node's audit entries the newest {@link MAX_AUDIT_ENTRIES} stay; they go with the node. Of the
   * versions of the policy the newest {@link MAX_POLICY_VERSIONS} stay. Throws MallaError `store.unavailable` (disk full, I/O) or `store.locked`; a change that breaks a rule of
   * the schema is our own bug, `internal`; another
   * revision than the expected one is `store.conflict`.
   */
  commit(changes: readonly Change[], expected?: Revision): Promise<Revision>;
  /**
   * The rows that were written or deleted after a revision, each once, as they are now, and the revision that they
   * are of. Undefined where that is more than {@link KEPT_REVISIONS} ago, or was never: then everything
   * is to be loaded.
   */
  changesSince(revision: Revision): Promise<Changes | undefined>;
  /** Finds out whether the database answers and can be written. Throws MallaError `store.*` if not. */
  check(): Promise<void>;
  /** Whether {@link check} finds no fault. Never throws. */
  healthy(): Promise<boolean>;
  /** The newest audit entries of a node, newest first, at most `limit`. */
  auditEntries(tailnet: TailnetId, nodeId: number, limit: number): Promise<readonly AuditEntry[]>;
  /** The newest versions of the policy, newest first, at most `limit`. */
  policyHeads(tailnet: TailnetId, limit: number): Promise<readonly PolicyHead[]>;
  /** A version of the policy; undefined where there is none, or no more. */
  policyVersion(tailnet: TailnetId, id: number): Promise<PolicyVersion | undefined>;
  /**
   * Writes a consistent copy of the database to a new file while in use. Throws MallaError
   * `request.invalid` where the file exists.
   */
  backup(path: string): Promise<void>;
  /** Ends its use; nothing may be called afterwards. */
  close(): Promise<void>;
}
