import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import { created, node, user } from '../sample-rows.ts';
import type { SqliteOptions } from './sqlite.ts';
import { ThreadedStore } from './thread.ts';

describe('store on a thread', () => {
  let folder: string;
  let options: SqliteOptions;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-thread-'));
    options = { path: join(folder, 'malla.db'), writeAheadLog: true, walAutocheckpoint: 1000 };
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('the main thread goes on while a commit waits for a lock', async () => {
    const { store } = await ThreadedStore.open(options);
    const other = new DatabaseSync(options.path);
    other.exec('BEGIN IMMEDIATE');
    let done = false;
    const commit = store.commit([created('user', user(1))]).then(() => {
      done = true;
    });
    for (let turns = 0; turns < 1000; turns++) await turn();
    assert.equal(done, false);
    other.exec('ROLLBACK');
    other.close();
    await commit;
    assert.equal((await store.load(FIRST_TAILNET)).user.length, 1);
    await store.close();
  });

  test('refusals cross with code, message and details', async () => {
    const { store } = await ThreadedStore.open(options);
    await assert.rejects(ThreadedStore.open({ ...options, busyTimeoutMs: 0 }), (error) => {
      assert.ok(error instanceof MallaError);
      assert.equal(error.code, 'store.locked');
      assert.equal(error.details['pid'], process.pid);
      return true;
    });
    await assert.rejects(
      store.commit([created('node', node(1, { userId: 5 }))]),
      (error) => error instanceof MallaError && /FOREIGN KEY/.test(error.message),
    );
    await store.close();
  });

  test('it keeps no process alive, and loses nothing that it has promised', async () => {
    const script = `
      const { ThreadedStore } = await import(${JSON.stringify(new URL('thread.ts', import.meta.url).href)});
      const { store } = await ThreadedStore.open(${JSON.stringify(options)});
      await store.commit([${JSON.stringify(created('user', user(1)))}]);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: 'inherit',
    });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    const { store } = await ThreadedStore.open(options);
    assert.equal((await store.load(FIRST_TAILNET)).user.length, 1);
    await store.close();
  });
});
