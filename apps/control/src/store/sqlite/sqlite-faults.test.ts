import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { decide, type PolicyVersion } from '../../core/change.ts';
import { State } from '../../core/state.ts';
import { Ledger } from '../../ledger.ts';
import { created, deleted, node, snapshotOf, user } from '../sample-rows.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';

const POLICY: PolicyVersion = {
  id: 1,
  tailnet: 1,
  source: 'database',
  author: 'local',
  text: '{}',
  createdAt: 0,
};

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof MallaError && error.code === code && message.test(error.message);
}

describe('SQLite store in trouble', () => {
  let folder: string;
  let path: string;
  let options: SqliteOptions;
  let now: number;
  let store: SqliteStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-faults-'));
    path = join(folder, 'malla.db');
    options = { path, writeAheadLog: true, walAutocheckpoint: 1000, busyTimeoutMs: 0 };
    now = 0;
    store = SqliteStore.open(options, () => now);
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  /** Changes the database behind the store's back, while it is closed. */
  async function tamper(sql: string): Promise<void> {
    await store.close();
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    store = SqliteStore.open(options, () => now);
  }

  test('a second server on the same database is refused, also by another path to it', () => {
    const other = join(folder, '..', folder.split('/').at(-1) ?? '', 'malla.db');
    assert.throws(
      () => SqliteStore.open({ ...options, path: other }),
      refusal('store.locked', /process \d+ on/),
    );
  });

  test("under another process's lock a registration leaves no trace, and then succeeds", async () => {
    const state = new State(await store.load(FIRST_TAILNET));
    const ledger = new Ledger({
      tailnet: FIRST_TAILNET,
      state,
      store,
      now: () => now,
      random: (n) => new Uint8Array(n),
    });
    const register = (): Promise<void> =>
      ledger.execute(() =>
        decide([created('user', user(1)), created('node', node(1, { userId: 1 }))], undefined),
      );

    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const locked = refusal('store.locked', /malla\.db is locked by another process$/);
    await assert.rejects(register(), locked);
    assert.equal(state.nodeCount(), 0);
    assert.equal(state.addressTaken('100.64.0.1'), false);
    assert.equal(await store.healthy(), false);

    other.exec('ROLLBACK');
    await register();
    assert.equal(await store.healthy(), true);
    assert.deepEqual(await store.load(FIRST_TAILNET), snapshotOf(state));
    other.close();
  });

  test('a database file that was removed, replaced or lost its log is noticed before the next promise', async () => {
    const change = [created('user', user(1))];
    await store.commit(change);
    for (const file of [path, `${path}-wal`]) {
      await rename(file, join(folder, 'moved'));
      const gone = refusal('store.unavailable', /was removed or replaced while in use/);
      await assert.rejects(store.commit(change), gone);
      assert.equal(await store.healthy(), false);
      await writeFile(file, 'another file');
      await assert.rejects(store.commit(change), gone);
      assert.equal(await store.healthy(), false);
      await rename(join(folder, 'moved'), file);
      await store.commit(change);
      assert.equal(await store.healthy(), true);
    }
  });

  test('health is proven by a write, anew when the last proof is old', async () => {
    assert.equal(await store.healthy(), true);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    now += 4_999;
    assert.equal(await store.healthy(), true);
    now += 1;
    assert.equal(await store.healthy(), false);
    other.exec('ROLLBACK');
    assert.equal(await store.healthy(), true);
    other.close();
  });

  test('a damaged row is named by table, id and column', async () => {
    const damages = [
      ["UPDATE nodes SET endpoints = 'null' WHERE id = 2", 'nodes', '2', 'endpoints'],
      ["UPDATE nodes SET node_key = 'nodekey:' WHERE id = 2", 'nodes', '2', 'node_key'],
      ['UPDATE nodes SET last_seen = 9223372036854775807 WHERE id = 2', 'nodes', '2', 'last_seen'],
      ['UPDATE users SET id = 9007199254740993', 'users', '9007199254740993', 'id'],
    ] as const;
    for (const [sql, table, id, column] of damages) {
      await store.commit([
        created('user', user(1)),
        created('node', node(1)),
        created('node', node(2)),
      ]);
      await tamper(sql);
      await assert.rejects(store.load(FIRST_TAILNET), (error) => {
        assert.ok(error instanceof MallaError);
        assert.equal(error.code, 'store.corrupt');
        assert.deepEqual(error.details, { table, id, column });
        assert.match(
          error.message,
          new RegExp(`table ${table}, row ${id}, column ${column} is not `),
        );
        return true;
      });
    }
  });

  test('what only a later program knows is read as what is harmless, or left where it is', async () => {
    await store.commit([created('node', node(1)), created('policy', POLICY)]);
    await tamper("UPDATE nodes SET register_method = 'scim'");
    await tamper("UPDATE policies SET source = 'git'");
    await tamper("INSERT INTO dns_records VALUES (1, 1, 'a.test', 'TXT', 'text', 0)");
    const { node: nodes, dnsRecord } = await store.load(FIRST_TAILNET);
    assert.equal(nodes[0]?.registerMethod, 'cli');
    assert.equal((await store.policyVersion(FIRST_TAILNET, 1))?.source, 'database');
    assert.deepEqual(dnsRecord, []);
    await store.commit([created('user', user(1))]);
    const database = new DatabaseSync(path);
    assert.equal(database.prepare('SELECT value FROM dns_records').get()?.['value'], 'text');
    database.close();
  });

  test('a damaged page is told with the way out', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => created('node', node(i + 1)));
    await store.commit(rows);
    await store.close();
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    const noise = new Uint8Array(4096).fill(0xa5);
    // The first pages say what tables there are.
    for (let at = 4096 * 40; at < size; at += 4096) await file.write(noise, 0, 4096, at);
    await file.close();
    store = SqliteStore.open(options);
    const damaged = /malla\.db is damaged \(.*\): restore a backup with malla db restore$/;
    await assert.rejects(store.load(FIRST_TAILNET), refusal('store.corrupt', damaged));
  });

  test('what is no database is not opened', async () => {
    const other = join(folder, 'other.db');
    await writeFile(other, 'text'.repeat(1000));
    for (const [at, code, message] of [
      [other, 'store.corrupt', /other\.db is damaged/],
      [folder, 'store.unavailable', /^cannot open database /],
      [join(other, 'x'), 'store.unavailable', /not a directory|EEXIST/],
    ] as const) {
      assert.throws(() => SqliteStore.open({ ...options, path: at }), refusal(code, message));
    }
  });

  test('a deletion of what is not there is no error', async () => {
    await store.commit([deleted('node', node(5))]);
    assert.deepEqual((await store.load(FIRST_TAILNET)).node, []);
  });
});
