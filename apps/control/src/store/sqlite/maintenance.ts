/**
 * What `malla db` does to a database file, with or without a server running on it. Paths are files;
 * refusals are MallaErrors that say what to do.
 */
import { existsSync, linkSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MallaError } from '@malla/base/error';
import { type Ownership, ownershipOf } from '@malla/platform/ownership';
import { DatabaseLock } from './lock.ts';
import { MIGRATIONS } from '../migrations/all.ts';
import { type Migrated, schemaVersion } from './migrate.ts';
import { syncPath, timestamp, writeSnapshot } from './snapshot.ts';
import { storeError } from './sqlite-error.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';

/**
 * Copies a database to a new file, also while a server runs on it. An existing file is refused. In a folder
 * of the database's owner the copy is his too; elsewhere it is of who makes it, for it holds secrets.
 */
export function backupDatabase(path: string, target: string): void {
  inspect(path, (database) => {
    schemaVersion(database, path);
    const owner = ownershipOf(path);
    const isAtHome = owner?.uid === ownershipOf(dirname(target))?.uid;
    writeSnapshot(database, target, isAtHome && owner ? { ...owner, mode: 0o600 } : 'self');
  });
}

/**
 * Puts a backup in the place of a database, after checking that it is whole and of a version that this
 * program knows. The replaced database stays beside it; returns its path, undefined where there was
 * none. What takes its place has its owner and mode, or its folder's owner where there was none. Throws
 * MallaError `store.locked` while a server runs. `now` is Unix ms.
 */
export function restoreDatabase(backup: string, path: string, now: number): string | undefined {
  const target = existsSync(path) ? realpathSync(path) : path;
  const staged = `${target}.restoring`;
  const owner = ownershipOf(target);
  try {
    checkOwner(target, owner);
    const lock = DatabaseLock.acquire(target, now);
    try {
      rmSync(staged, { force: true });
      inspect(backup, (database) => {
        checkIntegrity(database, backup);
        writeSnapshot(database, staged, owner ?? 'folder');
      });
      return swap(staged, target, now);
    } finally {
      rmSync(staged, { force: true });
      lock.release();
    }
  } catch (error) {
    throw storeError(error, path);
  }
}

/** Who cannot give a file away would leave a database that its server cannot open. */
function checkOwner(path: string, owner: Ownership | undefined): void {
  const self = process.geteuid?.();
  if (owner === undefined || self === undefined || self === 0 || self === owner.uid) return;
  throw new MallaError(
    'store.unavailable',
    `database ${path} belongs to uid ${owner.uid}, and would belong to uid ${self}: restore it as that user, or as root`,
  );
}

/** One migration of this program, and whether the database has it. */
export interface MigrationStatus {
  readonly version: number;
  readonly title: string;
  readonly applied: boolean;
}

/** Which migrations a database has and which are pending. Changes nothing. */
export function migrationStatus(path: string): readonly MigrationStatus[] {
  return inspect(path, (database) => {
    const current = schemaVersion(database, path);
    return MIGRATIONS.map(({ version, title }) => ({
      version,
      title,
      applied: version <= current,
    }));
  });
}

/** Whether a server could go on with a database. Changes nothing. Throws MallaError `store.*`. */
export function checkDatabase(path: string): void {
  inspect(path, (database) => schemaVersion(database, path));
}

/** Applies what is pending, as the server does at start. Throws `store.locked` while one runs. */
export async function migrateDatabase(options: SqliteOptions): Promise<Migrated> {
  const store = SqliteStore.open(options);
  await store.close();
  return store.migrated;
}

/** Opens an existing database for reading. */
function inspect<T>(path: string, look: (database: DatabaseSync) => T): T {
  if (!existsSync(path)) throw new MallaError('store.unavailable', `there is no database ${path}`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    return look(database);
  } catch (error) {
    throw storeError(error, path);
  } finally {
    database?.close();
  }
}

function checkIntegrity(database: DatabaseSync, path: string): void {
  if (schemaVersion(database, path) === 0) {
    throw new MallaError('store.corrupt', `${path} is an empty database, not a backup`);
  }
  const faults = database.prepare('PRAGMA integrity_check(10)').all();
  const texts = faults.map((fault) => String(fault['integrity_check']));
  if (texts.length !== 1 || texts[0] !== 'ok') {
    throw new MallaError('store.corrupt', `backup ${path} is damaged: ${texts.join('; ')}`);
  }
}

/** Exchanges the database with one rename, so that at no moment there is none. */
function swap(staged: string, path: string, now: number): string | undefined {
  const aside = existsSync(path) ? `${path}.replaced-${timestamp(now)}` : undefined;
  if (aside !== undefined) {
    foldLog(path);
    // A log that could not be folded in goes with its database: replayed into another it destroys it.
    for (const suffix of ['-wal', '-journal']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    }
    rmSync(`${path}-shm`, { force: true });
    linkSync(path, aside);
  }
  renameSync(staged, path);
  syncPath(dirname(path));
  return aside;
}

/** Lets SQLite bring what a killed server left in a log into the database, as far as it can be read. */
function foldLog(path: string): void {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('SELECT count(*) FROM sqlite_schema; PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // damaged, which may well be why a backup is restored
  } finally {
    database?.close();
  }
}
