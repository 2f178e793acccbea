import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { created, user } from '../sample-rows.ts';
import { FOLD_AFTER_MS, IN_MEMORY, type SqliteOptions, SqliteStore } from './sqlite.ts';

describe('the log of a database that is seldom written', () => {
  let folder: string;
  let options: SqliteOptions;
  let waiting: { readonly run: () => void; readonly ms: number }[];
  const stores: SqliteStore[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-fold-'));
    options = { path: join(folder, 'malla.db'), writeAheadLog: true, walAutocheckpoint: 1000 };
    waiting = [];
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await rm(folder, { recursive: true });
  });

  function open(changes: Partial<SqliteOptions> = {}): SqliteStore {
    const store = SqliteStore.open(
      { ...options, ...changes },
      () => 0,
      (run, ms) => void waiting.push({ run, ms }),
    );
    stores.push(store);
    return store;
  }

  /** Runs what waits, as after that time. */
  function pass(): void {
    for (const { run } of waiting.splice(0)) run();
  }

  /** How many users a copy of the database file alone has; undefined: not even a table of them. */
  async function usersInCopy(): Promise<number | undefined> {
    const copy = join(folder, 'copy.db');
    await copyFile(options.path, copy);
    const database = new DatabaseSync(copy);
    try {
      return Number(database.prepare('SELECT count(*) AS n FROM users').get()?.['n']);
    } catch {
      return undefined;
    } finally {
      database.close();
      await rm(copy);
    }
  }

  test('is folded into the file some seconds after a commit, so that a copy of the file has it', async () => {
    const store = open();
    assert.equal(await usersInCopy(), undefined);
    assert.deepEqual(
      waiting.map(({ ms }) => ms),
      [FOLD_AFTER_MS],
    );
    pass();
    assert.equal(await usersInCopy(), 0);
    await store.commit([created('user', user(1))]);
    await store.commit([created('user', user(2, { name: 'two' }))]);
    assert.equal(waiting.length, 1, 'however many commits, one waits');
    assert.equal(await usersInCopy(), 0);
    pass();
    assert.equal(await usersInCopy(), 2);
    assert.equal(waiting.length, 0, 'a store at rest leaves the disk alone');
  });

  test('comes again for what a reader holds up', async () => {
    const store = open();
    pass();
    const reader = new DatabaseSync(options.path);
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM users').get();
    await store.commit([created('user', user(1))]);
    pass();
    assert.equal(await usersInCopy(), 0);
    assert.equal(waiting.length, 1);
    reader.exec('COMMIT');
    reader.close();
    pass();
    assert.equal(await usersInCopy(), 1);
    assert.equal(waiting.length, 0);
  });

  test('is left to whoever asked for that, and where there is none', async () => {
    for (const changes of [
      { walAutocheckpoint: 0 },
      { writeAheadLog: false },
      { path: IN_MEMORY },
    ]) {
      const store = open(changes);
      await store.commit([created('user', user(1))]);
      assert.equal(waiting.length, 0, JSON.stringify(changes));
      await store.close();
      stores.pop();
      await rm(options.path, { force: true });
    }
  });

  test('is no matter for a store that has been closed meanwhile', async () => {
    const store = open();
    await store.close();
    stores.pop();
    pass();
    assert.equal(waiting.length, 0);
  });
});
