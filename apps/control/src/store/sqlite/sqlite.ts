/**
 * The store on SQLite, working on the calling thread; in a server it runs on a thread of its own
 * (thread.ts), since every commit waits for the disk.
 *
 * Durability: write-ahead log with a disk sync in every commit. SQLite goes on writing to a file that
 * has been deleted under it, and what it then promises is lost with the process; so every commit first
 * checks that the files it has open are still the ones at their path.
 *
 * The log is folded into the database soon after a commit, and not only when it is full: a small tailnet
 * never fills it, and whoever copies the database file alone would have next to nothing.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { MallaError } from '@malla/base/error';
import type { TailnetId } from '@malla/netmap/user';
import { makeFolder } from '@malla/platform/make-folder';
import type { AuditEntry, Change, PolicyVersion, TableName } from '../../core/change.ts';
import type { Snapshot } from '../../core/state.ts';
import { DatabaseLock } from './lock.ts';
import { migrate, type Migrated, schemaVersion } from './migrate.ts';
import { createPrivate, writeSnapshot } from './snapshot.ts';
import { storeError } from './sqlite-error.ts';
import {
  type Changes,
  KEPT_REVISIONS,
  MAX_AUDIT_ENTRIES,
  MAX_POLICY_VERSIONS,
  type PolicyHead,
  type Revision,
  type Store,
  type Written,
} from '../store.ts';
import { POLICY_HEADS, type Table, TABLES, type TableShape } from '../tables.ts';

/** A database that lives as long as its store. */
export const IN_MEMORY = ':memory:';

export interface SqliteOptions {
  /** On a local disk, since network file systems lack the locks; or {@link IN_MEMORY}. */
  readonly path: string;
  readonly writeAheadLog: boolean;
  /** Pages in the write-ahead log after which it is folded into the database at once; 0: never, not even later. */
  readonly walAutocheckpoint: number;
  /** How long a commit, and opening, wait for another process's lock. */
  readonly busyTimeoutMs?: number;
}

/** Longer than a `malla db backup` or a look with the sqlite3 shell takes. */
const BUSY_TIMEOUT_MS = 5_000;
/** How long after a commit the log is folded into the database: one more sync for what came meanwhile. */
export const FOLD_AFTER_MS = 10_000;
/** How long a successful write proves that the disk can be written. */
const PROOF_MS = 5_000;

/** Calls a function once, after so many ms. */
type Later = (run: () => void, ms: number) => void;

export class SqliteStore implements Store {
  /** What opening did to the schema. */
  readonly migrated: Migrated;
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #lock: DatabaseLock | undefined;
  readonly #now: () => number;
  /** Undefined: the log is none, or folded by somebody else. */
  readonly #later: Later | undefined;
  /** The files that must stay in place, with their device and inode. */
  readonly #files: ReadonlyMap<string, string>;
  readonly #upserts: ReadonlyMap<TableName, StatementSync>;
  readonly #deletes: ReadonlyMap<TableName, StatementSync>;
  readonly #pruneAudit: StatementSync;
  readonly #deleteAudit: StatementSync;
  readonly #auditOfNode: StatementSync;
  readonly #prunePolicies: StatementSync;
  readonly #policyHeads: StatementSync;
  readonly #policyVersion: StatementSync;
  readonly #getRevision: StatementSync;
  readonly #setRevision: StatementSync;
  readonly #noteWritten: StatementSync;
  readonly #forgetWritten: StatementSync;
  readonly #writtenSince: StatementSync;
  readonly #rows: ReadonlyMap<TableName, StatementSync>;
  #provenAt = Number.NEGATIVE_INFINITY;
  #willFold = false;

  /**
   * Opens or creates the database, takes its lock and brings it to this program's schema. `now` is Unix
   * ms. Throws MallaError `store.*`.
   */
  static open(
    options: SqliteOptions,
    now: () => number = Date.now,
    later: Later = byTimer,
  ): SqliteStore {
    const inMemory = options.path === IN_MEMORY;
    let database: DatabaseSync | undefined;
    let lock: DatabaseLock | undefined;
    try {
      const path = inMemory ? IN_MEMORY : prepareFile(options.path);
      database = new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
      schemaVersion(database, path);
      if (!inMemory) lock = DatabaseLock.acquire(path, now(), options.busyTimeoutMs);
      database.exec(`PRAGMA journal_mode = ${options.writeAheadLog ? 'WAL' : 'DELETE'}`);
      database.exec(`PRAGMA wal_autocheckpoint = ${options.walAutocheckpoint}`);
      // Without a write-ahead log FULL could lose the last commit with the power; with one it is FULL.
      database.exec('PRAGMA synchronous = EXTRA');
      const folds = !inMemory && options.writeAheadLog && options.walAutocheckpoint > 0;
      return new SqliteStore(path, database, lock, now, folds ? later : undefined);
    } catch (error) {
      database?.close();
      lock?.release();
      throw storeError(error, options.path);
    }
  }

  private constructor(
    path: string,
    database: DatabaseSync,
    lock: DatabaseLock | undefined,
    now: () => number,
    later: Later | undefined,
  ) {
    this.#path = path;
    this.#database = database;
    this.#lock = lock;
    this.#now = now;
    this.#later = later;
    this.migrated = migrate(database, path, now());
    const statements = (sql: (table: TableShape) => string): Map<TableName, StatementSync> =>
      new Map(
        Object.entries(TABLES).map(([name, table]) => [
          name as TableName,
          database.prepare(sql(table)),
        ]),
      );
    this.#upserts = statements(upsertSql);
    this.#deletes = statements((table) => `DELETE FROM ${table.name} WHERE id = ?`);
    this.#pruneAudit = database.prepare(
      `DELETE FROM audit_entries WHERE node_id = ?1 AND id <=
        (SELECT id FROM audit_entries WHERE node_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${MAX_AUDIT_ENTRIES})`,
    );
    this.#deleteAudit = database.prepare('DELETE FROM audit_entries WHERE node_id = ?');
    this.#auditOfNode = reader(
      database,
      `${selectSql(TABLES.audit)} WHERE tailnet = ? AND node_id = ? ORDER BY id DESC LIMIT ?`,
    );
    this.#prunePolicies = database.prepare(
      `DELETE FROM policies WHERE tailnet = ?1 AND id <=
        (SELECT id FROM policies WHERE tailnet = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${MAX_POLICY_VERSIONS})`,
    );
    this.#policyHeads = reader(
      database,
      `${selectSql(POLICY_HEADS)} WHERE tailnet = ? ORDER BY id DESC LIMIT ?`,
    );
    this.#policyVersion = reader(
      database,
      `${selectSql(TABLES.policy)} WHERE tailnet = ? AND id = ?`,
    );
    this.#getRevision = database.prepare('SELECT revision FROM store WHERE id = 1');
    this.#setRevision = database.prepare('UPDATE store SET revision = ? WHERE id = 1');
    this.#noteWritten = database.prepare(
      `INSERT INTO written (table_name, row_id, revision) VALUES (?, ?, ?)
        ON CONFLICT (table_name, row_id) DO UPDATE SET revision = excluded.revision`,
    );
    this.#forgetWritten = database.prepare('DELETE FROM written WHERE revision <= ?');
    this.#writtenSince = reader(
      database,
      'SELECT table_name, row_id FROM written WHERE revision > ? ORDER BY revision, table_name, row_id',
    );
    this.#rows = new Map(
      Object.entries(TABLES).map(([name, table]) => [
        name as TableName,
        reader(database, `${selectSql(table)} WHERE id = ?`),
      ]),
    );
    this.#files = identities(path);
    this.#foldLater();
  }

  async load(tailnet: TailnetId): Promise<Snapshot> {
    return this.#guard(() => ({
      user: this.#all(TABLES.user, tailnet),
      node: this.#all(TABLES.node, tailnet),
      preAuthKey: this.#all(TABLES.preAuthKey, tailnet),
      apiKey: this.#all(TABLES.apiKey, tailnet),
      dnsRecord: this.#all(TABLES.dnsRecord, tailnet),
      lastId: this.#lastIds(),
    }));
  }

  async revision(): Promise<Revision> {
    return this.#guard(() => this.#currentRevision());
  }

  async commit(changes: readonly Change[], expected?: Revision): Promise<Revision> {
    const committed = this.#transaction(() => {
      const before = this.#currentRevision();
      if (expected !== undefined && before !== expected)
        throw conflict(this.#path, before, expected);
      const revision = before + 1;
      this.#setRevision.run(revision);
      for (const change of changes) {
        this.#write(change);
        this.#noteWritten.run(TABLES[change.table].name, change.id, revision);
      }
      this.#forgetWritten.run(revision - KEPT_REVISIONS);
      return revision;
    });
    this.#foldLater();
    return committed;
  }

  async changesSince(revision: Revision): Promise<Changes | undefined> {
    return this.#guard(() => {
      const current = this.#currentRevision();
      if (revision > current || revision < current - KEPT_REVISIONS) return undefined;
      const rows = this.#writtenSince.all(revision).flatMap((values) => {
        const [name, id] = columnsOf(values);
        const table = tableNamed(String(name));
        return table === undefined ? [] : [this.#writtenRow(table, Number(id))];
      });
      return { revision: current, rows };
    });
  }

  async check(): Promise<void> {
    this.#guard(() => this.#checkFiles());
    if (this.#now() - this.#provenAt >= PROOF_MS) this.#transaction(() => this.#probe());
  }

  async healthy(): Promise<boolean> {
    return this.check().then(
      () => true,
      () => false,
    );
  }

  async auditEntries(
    tailnet: TailnetId,
    nodeId: number,
    limit: number,
  ): Promise<readonly AuditEntry[]> {
    return this.#guard(() =>
      this.#auditOfNode
        .all(tailnet, nodeId, limit)
        .flatMap((values) => present(TABLES.audit, values)),
    );
  }

  async policyHeads(tailnet: TailnetId, limit: number): Promise<readonly PolicyHead[]> {
    return this.#guard(() =>
      this.#policyHeads.all(tailnet, limit).flatMap((values) => present(POLICY_HEADS, values)),
    );
  }

  async policyVersion(tailnet: TailnetId, id: number): Promise<PolicyVersion | undefined> {
    return this.#guard(() => {
      const values = this.#policyVersion.get(tailnet, id);
      return values === undefined ? undefined : TABLES.policy.decode(columnsOf(values));
    });
  }

  async backup(path: string): Promise<void> {
    this.#guard(() => writeSnapshot(this.#database, path));
  }

  async close(): Promise<void> {
    this.#database.close();
    this.#lock?.release();
  }

  #currentRevision(): Revision {
    return Number(this.#getRevision.get()?.['revision']);
  }

  #writtenRow(table: TableName, id: number): Written {
    const values = this.#rows.get(table)?.get(id);
    const after = values === undefined ? undefined : TABLES[table].decode(columnsOf(values));
    return { table, id, after } as Written;
  }

  #write(change: Change): void {
    if (change.after === undefined) {
      this.#deletes.get(change.table)?.run(change.id);
      if (change.table === 'node') this.#deleteAudit.run(change.id);
      return;
    }
    this.#upserts.get(change.table)?.run(...encodeRow(change));
    if (change.table === 'audit') this.#pruneAudit.run(change.after.nodeId);
    if (change.table === 'policy') this.#prunePolicies.run(change.after.tailnet);
  }

  #transaction<T>(work: () => T): T {
    try {
      this.#checkFiles();
      this.#rollBack();
      this.#database.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#database.exec('COMMIT');
      this.#provenAt = this.#now();
      return result;
    } catch (error) {
      this.#provenAt = Number.NEGATIVE_INFINITY;
      try {
        this.#rollBack();
      } catch {
        // the next transaction tries again
      }
      throw storeError(error, this.#path);
    }
  }

  /** At most one fold waits, so that a busy store does it as seldom as a quiet one. */
  #foldLater(): void {
    if (this.#willFold || this.#later === undefined) return;
    this.#willFold = true;
    this.#later(() => this.#fold(), FOLD_AFTER_MS);
  }

  /** Passive: it waits for nobody, and comes again for what a reader holds up. */
  #fold(): void {
    this.#willFold = false;
    if (!this.#database.isOpen) return;
    try {
      this.#checkFiles();
      const done = this.#database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
      if (Number(done?.['checkpointed']) < Number(done?.['log'])) this.#foldLater();
    } catch {
      // Nothing is lost: the log has it. A disk that cannot be written is what the next commit says.
    }
  }

  #rollBack(): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
  }

  /** Writes what is there already: SQLite puts the page into the log and syncs it all the same. */
  #probe(): void {
    const version = this.#database.prepare('PRAGMA user_version').get()?.['user_version'];
    this.#database.exec(`PRAGMA user_version = ${Number(version)}`);
  }

  #checkFiles(): void {
    for (const [path, identity] of this.#files) {
      if (identityOf(path) !== identity) {
        throw new MallaError(
          'store.unavailable',
          `database file ${path} was removed or replaced while in use: restart malla on the right one`,
        );
      }
    }
  }

  #all<Row>(table: Table<Row>, tailnet: TailnetId): Row[] {
    const rows: Row[] = [];
    const statement = reader(this.#database, `${selectSql(table)} WHERE tailnet = ? ORDER BY id`);
    for (const values of statement.iterate(tailnet)) rows.push(...present(table, values));
    return rows;
  }

  #lastIds(): Record<TableName, number> {
    const sequences = this.#database.prepare('SELECT name, seq FROM sqlite_sequence').all();
    const last = (table: TableName): number =>
      Number(sequences.find(({ name }) => name === TABLES[table].name)?.['seq'] ?? 0);
    return {
      user: last('user'),
      node: last('node'),
      preAuthKey: last('preAuthKey'),
      apiKey: last('apiKey'),
      audit: last('audit'),
      policy: last('policy'),
      dnsRecord: last('dnsRecord'),
    };
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }
}

/** Keeps no process alive: closing folds the log as well. */
function byTimer(run: () => void, ms: number): void {
  setTimeout(run, ms).unref();
}

function tableNamed(name: string): TableName | undefined {
  return (Object.keys(TABLES) as TableName[]).find((table) => TABLES[table].name === name);
}

function conflict(path: string, actual: Revision, expected: Revision): MallaError {
  return new MallaError(
    'store.conflict',
    `database ${path} was changed by somebody else: it is at revision ${actual}, not ${expected}`,
    { details: { actual, expected } },
  );
}

function encodeRow(change: Change): (null | number | string)[] {
  const table = TABLES[change.table] as Table<unknown>;
  return table.encode(change.after);
}

/** A statement whose rows are arrays, integers as bigint: the only way to read every stored value. */
function reader(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  return statement;
}

/** The row, unless only later programs know what it is. */
function present<Row>(table: Table<Row>, values: unknown): readonly Row[] {
  const row = table.decode(columnsOf(values));
  return row === undefined ? [] : [row];
}

/** `setReturnArrays` is not in the types of what statements return. */
function columnsOf(values: unknown): readonly unknown[] {
  return values as readonly unknown[];
}

function selectSql(table: TableShape): string {
  return `SELECT ${table.columns.join(', ')} FROM ${table.name}`;
}

function upsertSql(table: TableShape): string {
  const places = table.columns.map(() => '?').join(', ');
  const updates = table.columns.slice(1).map((column) => `${column} = excluded.${column}`);
  return `INSERT INTO ${table.name} (${table.columns.join(', ')}) VALUES (${places})
    ON CONFLICT (id) DO UPDATE SET ${updates.join(', ')}`;
}

/** Creates the file where there is none, private to its folder's owner, and resolves links: locks go by file. */
function prepareFile(path: string): string {
  makeFolder(dirname(path));
  createPrivate(path, 'folder');
  return realpathSync(path);
}

function identities(path: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const file of path === IN_MEMORY ? [] : [path, `${path}-wal`]) {
    const identity = identityOf(file);
    if (identity !== undefined) found.set(file, identity);
  }
  return found;
}

/** Device and inode: another file at the same path has others. */
function identityOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}
