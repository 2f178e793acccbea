import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { callAs, needsRoot, STRANGER } from '@malla/platform/testing/as-user';
import {
  backupDatabase,
  migrateDatabase,
  migrationStatus,
  restoreDatabase,
} from './maintenance.ts';
import { MIGRATIONS } from '../migrations/all.ts';
import { created, user } from '../sample-rows.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';

const NOW = Date.UTC(2026, 10, 21, 10, 15, 30);

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof MallaError && error.code === code && message.test(error.message);
}

describe('maintenance of a database', () => {
  let folder: string;
  let path: string;
  let options: SqliteOptions;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-db-'));
    path = join(folder, 'malla.db');
    options = { path, writeAheadLog: true, walAutocheckpoint: 1000 };
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function usersOf(file: string): Promise<readonly string[]> {
    const store = SqliteStore.open({ ...options, path: file });
    const { user: rows } = await store.load(FIRST_TAILNET);
    await store.close();
    return rows.map(({ name }) => name);
  }

  async function withUsers(...names: readonly string[]): Promise<SqliteStore> {
    const store = SqliteStore.open(options);
    await store.commit(names.map((name, i) => created('user', user(i + 1, { name }))));
    return store;
  }

  test('a backup is made while a server runs, from outside and by the server itself', async () => {
    const store = await withUsers('ana', 'bob');
    backupDatabase(path, join(folder, 'outside.db'));
    await store.backup(join(folder, 'inside.db'));
    await store.commit([created('user', user(3, { name: 'late' }))]);
    assert.deepEqual(await usersOf(join(folder, 'outside.db')), ['ana', 'bob']);
    assert.deepEqual(await usersOf(join(folder, 'inside.db')), ['ana', 'bob']);
    await store.close();
  });

  test('a backup is one file, and only its owner may read it', async () => {
    const store = await withUsers('ana');
    await store.close();
    backupDatabase(path, join(folder, 'copy.db'));
    const made = readdirSync(folder).filter((name) => name.startsWith('copy'));
    assert.deepEqual(made, ['copy.db']);
    for (const file of ['malla.db', 'copy.db']) {
      assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
    }
  });

  test('a backup never overwrites a file', async () => {
    const store = await withUsers('ana');
    const target = join(folder, 'precious');
    await writeFile(target, 'precious');
    const refused = refusal('request.invalid', /precious exists already and is not overwritten$/);
    await assert.rejects(store.backup(target), refused);
    assert.throws(() => backupDatabase(path, target), refused);
    await store.close();
  });

  test('a backup to where nothing can be written says so and leaves nothing', async () => {
    const store = await withUsers('ana');
    await assert.rejects(
      store.backup(join(folder, 'no such folder', 'copy.db')),
      refusal('store.unavailable', /ENOENT/),
    );
    await store.close();
  });

  test('restoring brings back what was, and keeps what is replaced', async () => {
    await (await withUsers('ana')).close();
    backupDatabase(path, join(folder, 'copy.db'));
    await (await withUsers('ana', 'mistake')).close();
    const aside = restoreDatabase(join(folder, 'copy.db'), path, NOW);
    assert.equal(aside, `${path}.replaced-20261121T101530Z`);
    assert.deepEqual(await usersOf(path), ['ana']);
    assert.deepEqual(await usersOf(aside), ['ana', 'mistake']);
    assert.ok(existsSync(join(folder, 'copy.db')));
    assert.ok(!readdirSync(folder).some((name) => name.includes('restoring')));
  });

  test('restoring to an empty place makes the database', async () => {
    await (await withUsers('ana')).close();
    const target = join(folder, 'elsewhere.db');
    assert.equal(restoreDatabase(path, target, NOW), undefined);
    assert.deepEqual(await usersOf(target), ['ana']);
  });

  test('what a killed server left in its log is kept with the replaced database', async () => {
    await (await withUsers('ana')).close();
    backupDatabase(path, join(folder, 'copy.db'));
    const store = await withUsers('ana', 'only in the log');
    const crashed = join(folder, 'crashed.db');
    await copyFile(path, crashed);
    await copyFile(`${path}-wal`, `${crashed}-wal`);
    await store.close();
    const aside = restoreDatabase(join(folder, 'copy.db'), crashed, NOW);
    assert.deepEqual(await usersOf(crashed), ['ana']);
    assert.deepEqual(await usersOf(aside ?? ''), ['ana', 'only in the log']);
  });

  test('a database too damaged to open is replaced too, and its log is not applied to the backup', async () => {
    await (await withUsers('ana')).close();
    backupDatabase(path, join(folder, 'copy.db'));
    await writeFile(path, 'garbage'.repeat(1000));
    await writeFile(`${path}-wal`, 'garbage');
    const aside = restoreDatabase(join(folder, 'copy.db'), path, NOW);
    assert.deepEqual(await usersOf(path), ['ana']);
    assert.equal(readFileSync(aside ?? '', 'utf8'), 'garbage'.repeat(1000));
  });

  test('restoring is refused while a server runs', async () => {
    const store = await withUsers('ana');
    await store.backup(join(folder, 'copy.db'));
    assert.throws(
      () => restoreDatabase(join(folder, 'copy.db'), path, NOW),
      refusal('store.locked', new RegExp(`process ${process.pid} on `)),
    );
    await store.close();
  });

  test('what is no whole backup of malla is refused and the database stays', async () => {
    await (await withUsers('ana')).close();
    const bad = join(folder, 'bad.db');
    const restore = (): unknown => restoreDatabase(bad, path, NOW);
    assert.throws(restore, refusal('store.unavailable', /there is no database .*bad\.db$/));
    await writeFile(bad, '');
    assert.throws(restore, refusal('store.corrupt', /is an empty database, not a backup$/));
    await writeFile(bad, 'garbage'.repeat(1000));
    assert.throws(restore, refusal('store.corrupt', /bad\.db is damaged/));
    await rm(bad);
    new DatabaseSync(bad).exec('CREATE TABLE other (id)');
    assert.throws(restore, refusal('store.corrupt', /another program/));
    await rm(bad);
    backupDatabase(path, bad);
    const newer = new DatabaseSync(bad);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    assert.throws(restore, refusal('store.too-new', /knows schema version 99/));
    assert.deepEqual(await usersOf(path), ['ana']);
  });

  test('a backup with a damaged page is refused', async () => {
    const store = await withUsers('ana');
    await store.commit(
      Array.from({ length: 500 }, (_, i) =>
        created('user', user(i + 2, { email: 'x'.repeat(200) })),
      ),
    );
    const bad = join(folder, 'bad.db');
    await store.backup(bad);
    await store.close();
    const file = await open(bad, 'r+');
    const { size } = await file.stat();
    await file.write(new Uint8Array(4096).fill(0xff), 0, 4096, Math.floor(size / 2 / 4096) * 4096);
    await file.close();
    assert.throws(
      () => restoreDatabase(bad, path, NOW),
      refusal('store.corrupt', /bad\.db is damaged/),
    );
    assert.equal((await usersOf(path)).length, 501);
  });

  test('the status of migrations names each, and changes nothing', async () => {
    assert.throws(
      () => migrationStatus(path),
      refusal('store.unavailable', /there is no database/),
    );
    assert.equal(existsSync(path), false);
    await writeFile(path, '');
    const titles = MIGRATIONS.map(({ version, title }) => ({ version, title }));
    assert.deepEqual(
      migrationStatus(path),
      titles.map((each) => ({ ...each, applied: false })),
    );
    const to = MIGRATIONS.length;
    assert.deepEqual(await migrateDatabase(options), { from: 0, to, snapshot: undefined });
    assert.deepEqual(
      migrationStatus(path),
      titles.map((each) => ({ ...each, applied: true })),
    );
  });
});

describe('as root, of a database that a server of another user has', { skip: needsRoot }, () => {
  const MAINTENANCE = new URL('maintenance.ts', import.meta.url);
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-db-'));
    await chown(folder, STRANGER, STRANGER);
    path = join(folder, 'malla.db');
    // Started once as root, in the folder of the user.
    const store = SqliteStore.open({ path, writeAheadLog: true, walAutocheckpoint: 1000 });
    await store.commit([created('user', user(1, { name: 'ana' }))]);
    await store.close();
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Files by name that are not the user's own. */
  function foreign(): readonly string[] {
    return readdirSync(folder).filter((name) => statSync(join(folder, name)).uid !== STRANGER);
  }

  /** What its server finds; throws what keeps it from starting. */
  function opensAsUser(): void {
    const module = new URL('../../testing/open-database.ts', import.meta.url);
    assert.equal(callAs(STRANGER, module, 'usersOf', path), 'ana');
  }

  test('a server that was started makes nothing that is not its user\u2019s', () => {
    assert.deepEqual(foreign(), []);
    opensAsUser();
  });

  test('a restore keeps owner and mode of what it replaces, and of everything beside it', async () => {
    const backup = join(folder, 'backup.db');
    backupDatabase(path, backup);
    await chmod(path, 0o640);
    restoreDatabase(backup, path, NOW);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(foreign(), []);
    opensAsUser();
  });

  test('a restore where there is no database any more goes by the folder', async () => {
    const backup = join(folder, 'backup.db');
    backupDatabase(path, backup);
    for (const name of readdirSync(folder)) {
      if (name !== 'backup.db') await rm(join(folder, name));
    }
    restoreDatabase(backup, path, NOW);
    assert.deepEqual(foreign(), []);
    opensAsUser();
  });

  test('a restore from a log that a killed server left leaves nothing of root\u2019s', async () => {
    const backup = join(folder, 'backup.db');
    backupDatabase(path, backup);
    const killed = new DatabaseSync(path);
    killed.exec('PRAGMA journal_mode = WAL; CREATE TABLE left_over (id INTEGER)');
    const log = readFileSync(`${path}-wal`);
    killed.close();
    await writeFile(`${path}-wal`, log);
    await chown(`${path}-wal`, STRANGER, STRANGER);
    restoreDatabase(backup, path, NOW);
    assert.deepEqual(foreign(), []);
    opensAsUser();
  });

  test('a migration and a backup beside the database are the user\u2019s', async () => {
    await migrateDatabase({ path, writeAheadLog: true, walAutocheckpoint: 1000 });
    backupDatabase(path, join(folder, 'backup.db'));
    assert.deepEqual(foreign(), []);
  });

  test('a backup elsewhere is of who makes it', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'malla-db-'));
    try {
      backupDatabase(path, join(elsewhere, 'backup.db'));
      assert.equal(statSync(join(elsewhere, 'backup.db')).uid, 0);
      const third = join(elsewhere, 'third');
      await mkdir(third);
      await chown(third, 12_345, 12_345);
      backupDatabase(path, join(third, 'backup.db'));
      assert.equal(statSync(join(third, 'backup.db')).uid, 0);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  test('a restore by another user, who could not give it back, is refused', async () => {
    const backup = join(folder, 'backup.db');
    backupDatabase(path, backup);
    await chmod(folder, 0o777);
    await chmod(backup, 0o644);
    assert.throws(
      () => callAs(12_345, MAINTENANCE, 'restoreDatabase', backup, path, NOW),
      /belongs to uid 65534, and would belong to uid 12345: restore it as that user, or as root$/,
    );
  });

  test('one that is root\u2019s is not opened by the user, who is told whose it is', async () => {
    for (const file of [path, `${path}.lock`]) {
      await chown(file, 0, 0);
      const whose = `: ${file} belongs to root (uid 0), mode 0600, and malla runs as nobody (uid 65534)`;
      const said = `${whose}: chown -R 65534:65534 ${folder}`;
      assert.throws(opensAsUser, ({ message }: Error) => message.includes(said));
      await chown(file, STRANGER, STRANGER);
    }
    await chown(folder, 0, 0);
    await chmod(folder, 0o755);
    assert.throws(opensAsUser, /belongs to root \(uid 0\), mode 0755/);
  });
});
