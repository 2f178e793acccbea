import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { recordedLog } from '@malla/testkit/recorded-log';
import { openMemoryStore } from './open.ts';
import { created, user } from './sample-rows.ts';
import type { Store } from './store.ts';
import { WatchedStore } from './watched-store.ts';

const FULL = new MallaError('store.unavailable', 'no space left for database /x/malla.db');

function subject(): {
  readonly store: WatchedStore;
  readonly disk: Store;
  readonly at: { now: number };
  readonly lines: () => readonly (readonly [string, string, unknown, unknown])[];
} {
  const { log, lines } = recordedLog();
  const disk = openMemoryStore();
  const at = { now: 0 };
  return {
    store: new WatchedStore(disk, log, () => at.now),
    disk,
    at,
    lines: () =>
      lines.map(({ level, message, fields }) => [level, message, fields['err'], fields['times']]),
  };
}

const SAID = 'the database cannot be written: changes are refused';

describe('a database that cannot be written', () => {
  test('leaves a line that says why, one a minute, and one when it can be again', async () => {
    const { store, disk, at, lines } = subject();
    const commit = disk.commit.bind(disk);
    disk.commit = () => Promise.reject(FULL);
    const change = created('user', user(1));
    for (let i = 0; i < 20; i++) await assert.rejects(store.commit([change]), FULL);
    assert.deepEqual(lines(), [['error', SAID, FULL.message, undefined]]);
    at.now = 60_000;
    await assert.rejects(store.commit([change]), FULL);
    assert.deepEqual(lines()[1], ['error', SAID, FULL.message, 20]);
    disk.commit = commit;
    await store.commit([change]);
    await store.commit([created('user', user(2))]);
    assert.deepEqual(lines().slice(2), [
      ['info', 'the database can be written again', undefined, undefined],
    ]);
  });

  test('is noticed by whoever asks for its health, who is told no more than that', async () => {
    const { store, disk, lines } = subject();
    assert.equal(await store.healthy(), true);
    disk.check = () => Promise.reject(FULL);
    assert.equal(await store.healthy(), false);
    await assert.rejects(store.check(), FULL);
    assert.deepEqual(lines(), [['error', SAID, FULL.message, undefined]]);
  });

  test('is not one that refuses a change which breaks its rules', async () => {
    const { store, disk, lines } = subject();
    disk.commit = () => Promise.reject(new MallaError('internal', 'UNIQUE constraint failed'));
    await assert.rejects(store.commit([created('user', user(1))]), { code: 'internal' });
    assert.deepEqual(lines(), []);
  });
});
