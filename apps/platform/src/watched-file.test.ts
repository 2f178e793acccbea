import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { WatchedFile } from './watched-file.ts';

describe('a watched file', () => {
  let folder: string;
  let path: string;
  let file: WatchedFile;
  let count = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-watched-'));
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    path = join(folder, `${count++}`);
    await writeFile(path, 'one');
    file = new WatchedFile(path, 1_000);
    assert.deepEqual(await file.read(), { ok: true, value: 'one' });
  });

  test('is told when it has changed and stayed for a look, once', async () => {
    assert.equal(await file.look(), undefined);
    await writeFile(path, 'other');
    assert.equal(await file.look(), undefined);
    assert.deepEqual(await file.look(), { ok: true, value: 'other' });
    assert.equal(await file.look(), undefined);
  });

  test('is not told half written', async () => {
    await writeFile(path, '');
    assert.equal(await file.look(), undefined);
    await writeFile(path, 'whole');
    assert.equal(await file.look(), undefined);
    assert.deepEqual(await file.look(), { ok: true, value: 'whole' });
  });

  test('may be replaced, by an editor or by another link', async () => {
    await writeFile(`${path}.new`, 'two');
    await rename(`${path}.new`, path);
    await file.look();
    assert.deepEqual(await file.look(), { ok: true, value: 'two' });
    await writeFile(`${path}.target`, 'six');
    await symlink(`${path}.target`, `${path}.link`);
    await rename(`${path}.link`, path);
    await file.look();
    assert.deepEqual(await file.look(), { ok: true, value: 'six' });
  });

  test('that is away for one look is not gone; for two it is, and may come back', async () => {
    await unlink(path);
    assert.equal(await file.look(), undefined);
    const gone = await file.look();
    assert.match(gone?.ok === false ? gone.error : '', /^cannot be read: there is no such file/);
    await writeFile(path, 'one');
    assert.equal(await file.look(), undefined);
    assert.deepEqual(await file.look(), { ok: true, value: 'one' });
  });

  test('that is a pipe or a folder is not waited for', async () => {
    execFileSync('mkfifo', [`${path}.pipe`]);
    for (const other of [`${path}.pipe`, folder]) {
      const read = await new WatchedFile(other, 1_000).read();
      assert.deepEqual(read, { ok: false, error: 'is not a file' });
    }
  });

  test('that is too large is not read', async () => {
    await writeFile(path, 'x'.repeat(1_001));
    assert.deepEqual(await file.read(), { ok: false, error: 'is larger than 1000 bytes' });
  });
});
