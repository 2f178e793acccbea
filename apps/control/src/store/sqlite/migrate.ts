/**
 * Brings a database to the schema of this program. Every step is one transaction; before the first one
 * on a database that holds data a snapshot is kept beside it, so that an upgrade can be taken back.
 *
 * The header of the file says that the database is malla's (`PRAGMA application_id`: another program's is
 * refused, not migrated) and the oldest schema version whose programs may use it (`PRAGMA user_version`). The
 * version that it has is in the table `store`; before there was one, both were the same. So the release before
 * opens a database that has only gained tables and columns with defaults, and leaves it at its version.
 */
import type { DatabaseSync } from 'node:sqlite';
import { MallaError, messageOf } from '@malla/base/error';
import { ownershipOf } from '@malla/platform/ownership';
import { MIGRATIONS } from '../migrations/all.ts';
import type { Migration } from '../migrations/migration.ts';
import { ddlOf } from './ddl.ts';
import { timestamp, writeSnapshot } from './snapshot.ts';

/** `MALL`. */
const APPLICATION_ID = 0x4d414c4c;

/** What {@link migrate} did. */
export interface Migrated {
  readonly from: number;
  readonly to: number;
  /** The copy of the database as it was; absent where nothing was changed or the database was empty. */
  readonly snapshot: string | undefined;
}

/**
 * The schema version of a database, 0 for an empty one. Throws MallaError `store.corrupt` for another
 * program's database, `store.too-new` for one of a newer malla.
 */
export function schemaVersion(
  database: DatabaseSync,
  path: string,
  migrations: readonly Migration[] = MIGRATIONS,
): number {
  const reader = pragma(database, 'user_version');
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    const objects = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get();
    if (reader === 0 && objects?.['count'] === 0) return 0;
    throw new MallaError(
      'store.corrupt',
      `${path} is the database of another program, not malla's`,
    );
  }
  const known = migrations.at(-1)?.version ?? 0;
  if (reader > known) {
    throw new MallaError(
      'store.too-new',
      `database ${path} needs a malla that knows schema version ${reader}, this one knows up to ${known}: ` +
        'run the newer malla, or restore the snapshot from before the upgrade with malla db restore',
      { details: { version: reader, known } },
    );
  }
  return hasStoreTable(database)
    ? Number(database.prepare('SELECT version FROM store').get()?.['version'])
    : reader;
}

/** Applies what is pending. Throws as {@link schemaVersion} does; a failed step leaves no trace. */
export function migrate(
  database: DatabaseSync,
  path: string,
  now: number,
  migrations: readonly Migration[] = MIGRATIONS,
): Migrated {
  const from = schemaVersion(database, path, migrations);
  const pending = migrations.filter((migration) => migration.version > from);
  const to = pending.at(-1)?.version ?? from;
  let snapshot: string | undefined;
  if (from > 0 && pending.length > 0) {
    snapshot = `${path}.before-${to}.${timestamp(now)}`;
    writeSnapshot(database, snapshot, ownershipOf(path));
  }
  // Off, because replacing a table would otherwise touch the rows that refer to it.
  database.exec('PRAGMA foreign_keys = OFF');
  for (const migration of pending) step(database, migration);
  database.exec('PRAGMA foreign_keys = ON');
  return { from, to, snapshot };
}

function step(database: DatabaseSync, migration: Migration): void {
  try {
    database.exec('BEGIN IMMEDIATE');
    for (const each of migration.steps) database.exec(ddlOf(each));
    const orphans = database.prepare('PRAGMA foreign_key_check').all();
    if (orphans.length > 0)
      throw new Error(`rows refer to missing ones: ${JSON.stringify(orphans)}`);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    const reader = Math.max(pragma(database, 'user_version'), migration.minReader);
    database.exec(`PRAGMA user_version = ${reader}`);
    if (hasStoreTable(database)) noteVersion(database, migration.version);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw new MallaError(
      'store.unavailable',
      `migration ${migration.version} (${migration.title}) failed and changed nothing: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function hasStoreTable(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'store'").get() !== undefined;
}

function noteVersion(database: DatabaseSync, version: number): void {
  database
    .prepare(
      'INSERT INTO store (id, version, revision) VALUES (1, ?, 0) ON CONFLICT (id) DO UPDATE SET version = excluded.version',
    )
    .run(version);
}

function pragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
