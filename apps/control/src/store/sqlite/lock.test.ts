import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { DatabaseLock } from './lock.ts';

const NOW = Date.UTC(2026, 10, 21, 10, 15, 30);

describe('the lock of a database', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-lock-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('a second holder is refused and told of the first', () => {
    const path = join(folder, 'told');
    const first = DatabaseLock.acquire(path, NOW);
    assert.throws(
      () => DatabaseLock.acquire(path, NOW, 0),
      (error) =>
        error instanceof MallaError &&
        error.code === 'store.locked' &&
        error.message ===
          `database ${path} is in use by another malla: process ${process.pid} on ${hostname()}, since 2026-11-21T10:15:30.000Z: stop that one first (kill ${process.pid}), or give this one another data folder`,
    );
    first.release();
  });

  test('what is released can be taken again', () => {
    const path = join(folder, 'again');
    for (let i = 0; i < 3; i++) DatabaseLock.acquire(path, NOW, 0).release();
  });

  test('it dies with its process, also by kill -9', async () => {
    const path = join(folder, 'killed');
    const script = `
      import { DatabaseLock } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
      globalThis.lock = DatabaseLock.acquire(process.argv[1], 0);
      console.log('locked');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path]);
    await once(child.stdout, 'data');
    assert.throws(
      () => DatabaseLock.acquire(path, NOW, 0),
      (error) => error instanceof MallaError && error.details['pid'] === child.pid,
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    DatabaseLock.acquire(path, NOW, 0).release();
  });

  test('a damaged lock file is named', async () => {
    const path = join(folder, 'damaged');
    await writeFile(`${path}.lock`, 'no database'.repeat(100));
    assert.throws(
      () => DatabaseLock.acquire(path, NOW, 0),
      (error) => error instanceof MallaError && error.message.includes(`${path}.lock`),
    );
  });
});
