import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { MIGRATIONS } from '../migrations/all.ts';
import { migrate, schemaVersion } from './migrate.ts';
import type { Migration } from '../migrations/migration.ts';

const NOW = Date.UTC(2026, 10, 21, 10, 15, 30);

const second: Migration = {
  version: MIGRATIONS.length + 1,
  title: 'second',
  minReader: MIGRATIONS.length + 1,
  steps: [{ addTo: 'users', column: { name: 'shoe_size', type: 'integer', default: 42 } }],
};
const failing: Migration = {
  version: second.version + 1,
  title: 'failing',
  minReader: second.version + 1,
  steps: [
    { create: { name: 'shoes', columns: [{ name: 'id', type: 'id' }] } },
    { create: { name: 'users', columns: [{ name: 'id', type: 'id' }] } },
  ],
};

/** The statements that make a database, without differences of space and comments. */
function schemaOf(database: DatabaseSync): readonly string[] {
  return database
    .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    .all()
    .map((row) => String(row['sql']).replace(/--.*/g, '').replace(/\s+/g, ' '))
    .toSorted();
}

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof MallaError && error.code === code && message.test(error.message);
}

describe('migrations', () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-migrate-'));
  });
  after(() => rm(folder, { recursive: true }));

  function fresh(): { readonly path: string; readonly database: DatabaseSync } {
    const path = join(folder, `${count++}.db`);
    return { path, database: new DatabaseSync(path) };
  }

  test('end at schema.sql', () => {
    const migrated = fresh();
    migrate(migrated.database, migrated.path, NOW);
    const truth = fresh();
    truth.database.exec(readFileSync(new URL('schema.sql', import.meta.url), 'utf8'));
    assert.deepEqual(schemaOf(migrated.database), schemaOf(truth.database));
  });

  test('are numbered without gaps, each in the file of its number and title', () => {
    const files = readdirSync(new URL('../migrations', import.meta.url)).filter((name) =>
      /^\d/.test(name),
    );
    const expected = MIGRATIONS.map(
      ({ version, title }) => `${String(version).padStart(4, '0')}-${title}.ts`,
    );
    assert.deepEqual(files.toSorted(), expected);
    assert.deepEqual(
      MIGRATIONS.map(({ version }) => version),
      MIGRATIONS.map((_, i) => i + 1),
    );
  });

  test('an empty database needs no snapshot, and a current one no migration', () => {
    const { path, database } = fresh();
    const to = MIGRATIONS.length;
    assert.deepEqual(migrate(database, path, NOW), { from: 0, to, snapshot: undefined });
    assert.deepEqual(migrate(database, path, NOW), { from: to, to, snapshot: undefined });
  });

  test('a database with data is copied before its first pending migration', () => {
    const { path, database } = fresh();
    migrate(database, path, NOW);
    database.exec("INSERT INTO api_keys VALUES (1, 1, 'prefix', 'hash', NULL, NULL, 0)");
    const { snapshot } = migrate(database, path, NOW, [...MIGRATIONS, second]);
    assert.equal(snapshot, `${path}.before-${second.version}.20261121T101530Z`);
    assert.match(schemaOf(database).join(), /shoe_size/);

    const copy = new DatabaseSync(snapshot, { readOnly: true });
    assert.equal(schemaVersion(copy, snapshot), MIGRATIONS.length);
    assert.doesNotMatch(schemaOf(copy).join(), /shoe_size/);
    assert.equal(copy.prepare('SELECT prefix FROM api_keys').get()?.['prefix'], 'prefix');
    copy.close();
  });

  test('one that fails changes nothing, says so, and those before it stay', () => {
    const { path, database } = fresh();
    migrate(database, path, NOW);
    assert.throws(
      () => migrate(database, path, NOW, [...MIGRATIONS, second, failing]),
      refusal(
        'store.unavailable',
        new RegExp(
          `^migration ${failing.version} \\(failing\\) failed and changed nothing: table users already exists$`,
        ),
      ),
    );
    assert.equal(schemaVersion(database, path, [...MIGRATIONS, second]), second.version);
    assert.doesNotMatch(schemaOf(database).join(), /CREATE TABLE shoes/);
  });

  test('one that leaves rows without what they refer to fails', () => {
    const { path, database } = fresh();
    migrate(database, path, NOW);
    database.exec('PRAGMA foreign_keys = OFF');
    database.exec("INSERT INTO pre_auth_keys VALUES (1,1,'','',99,'[]',0,0,0,0,0,'',0)");
    assert.throws(
      () => migrate(database, path, NOW, [...MIGRATIONS, second]),
      refusal('store.unavailable', /rows refer to missing ones/),
    );
  });

  test('a newer database is refused with both versions', () => {
    const { path, database } = fresh();
    migrate(database, path, NOW, [...MIGRATIONS, second]);
    const message = new RegExp(
      `needs a malla that knows schema version ${second.version}, this one knows up to ${second.version - 1}:`,
    );
    assert.throws(() => migrate(database, path, NOW), refusal('store.too-new', message));
    assert.equal(existsSync(`${path}.before-${second.version}.20261121T101530Z`), false);
  });

  test("another program's database is refused untouched", () => {
    const theirs = ['CREATE TABLE migrations (id TEXT PRIMARY KEY)', 'PRAGMA user_version = 7'];
    for (const sql of theirs) {
      const { path, database } = fresh();
      database.exec(sql);
      const unchanged = schemaOf(database);
      assert.throws(
        () => migrate(database, path, NOW),
        refusal('store.corrupt', /is the database of another program, not malla's$/),
      );
      assert.deepEqual(schemaOf(database), unchanged);
    }
  });
});
