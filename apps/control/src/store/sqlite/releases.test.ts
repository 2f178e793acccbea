/** Databases of releases: every later malla opens them, and they open its database as long as they can. */
import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MIGRATIONS } from '../migrations/all.ts';
import { migrate, schemaVersion } from './migrate.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';

const FIXTURE = readFileSync(new URL('testdata/release-0.1.0.sql', import.meta.url), 'utf8');
/** The newest schema that 0.1.0 knows: it refuses a database whose `user_version` is higher. */
const KNOWN_TO_0_1_0 = 3;

describe('a database of release 0.1.0', () => {
  let folder: string;
  let options: SqliteOptions;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-release-'));
    const path = join(folder, 'malla.db');
    options = { path, writeAheadLog: false, walAutocheckpoint: 0 };
    const database = new DatabaseSync(path);
    database.exec(FIXTURE);
    database.close();
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is opened with everything that is in it', async () => {
    const store = SqliteStore.open(options, () => 0);
    assert.equal(store.migrated.from, KNOWN_TO_0_1_0);
    const { user, node, preAuthKey, apiKey, dnsRecord, lastId } = await store.load(FIRST_TAILNET);
    assert.deepEqual(
      user.map(({ name, displayName }) => [name, displayName]),
      [
        ['alice', 'Alice'],
        ['bob', ''],
      ],
    );
    assert.deepEqual(
      node.map(({ name, ipv4, userId, tags, endpoints, approvedRoutes }) => [
        name,
        ipv4,
        userId,
        tags,
        endpoints,
        approvedRoutes,
      ]),
      [
        ['host1', '100.64.0.1', 1, [], ['192.0.2.1:41641'], []],
        ['host2', '100.64.0.2', undefined, ['tag:web'], [], ['10.0.0.0/8']],
      ],
    );
    assert.deepEqual([preAuthKey[0]?.prefix, preAuthKey[0]?.used], ['prefix', true]);
    assert.equal(apiKey[0]?.prefix, 'api');
    assert.equal(dnsRecord[0]?.value, '192.0.2.1');
    assert.equal((await store.policyVersion(FIRST_TAILNET, 1))?.text, '{}');
    assert.equal((await store.auditEntries(FIRST_TAILNET, 1, 10))[0]?.details, 'ok');
    assert.deepEqual([lastId.user, lastId.node, lastId.policy], [2, 2, 1]);
    await store.close();
  });

  test('is one that 0.1.0 opens again after this program had it, as long as only things were added', async () => {
    const store = SqliteStore.open(options, () => 0);
    await store.close();
    const database = new DatabaseSync(options.path);
    const reader = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    const needed = Math.max(...MIGRATIONS.map(({ minReader }) => minReader));
    assert.equal(reader, Math.max(needed, KNOWN_TO_0_1_0));
    if (needed > KNOWN_TO_0_1_0) return;
    // What 0.1.0 does: it names its columns, and knows of no others.
    for (const insert of FIXTURE.split('\n').filter((line) => line.startsWith('INSERT'))) {
      const [, table = '', columns = ''] = /^INSERT INTO (\w+) \(([^)]*)\)/.exec(insert) ?? [];
      const before = database.prepare(`SELECT ${columns} FROM ${table}`).all();
      const names = columns.split(', ').filter((column) => column !== 'id');
      const set = names.map((column) => `${column} = excluded.${column}`).join(', ');
      const upsert = `${insert.replace(/;$/, '')} ON CONFLICT (id) DO UPDATE SET ${set}`;
      database.exec(upsert);
      assert.deepEqual(database.prepare(`SELECT ${columns} FROM ${table}`).all(), before);
    }
    assert.equal(schemaVersion(database, options.path), MIGRATIONS.length);
    database.close();
  });
});

describe('a program of an earlier schema', () => {
  test('opens a database that has only gained things, and leaves it at its version', () => {
    const database = new DatabaseSync(':memory:');
    const later = {
      version: MIGRATIONS.length + 1,
      title: 'later',
      minReader: MIGRATIONS.at(-1)?.minReader ?? 0,
      steps: [{ addTo: 'users', column: { name: 'shoe_size', type: 'integer', default: 42 } }],
    } as const;
    migrate(database, ':memory:', 0, [...MIGRATIONS, later]);
    assert.deepEqual(migrate(database, ':memory:', 0), {
      from: later.version,
      to: later.version,
      snapshot: undefined,
    });
    assert.equal(schemaVersion(database, ':memory:'), later.version);
    database.close();
  });
});
