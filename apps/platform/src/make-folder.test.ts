import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeFolder } from './make-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'malla-folder-'));
after(() => rmSync(folder, { recursive: true }));

test('a folder is made with its parents, for its owner alone', () => {
  const path = join(folder, 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('a folder below a file, or where the system allows none, is refused', () => {
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => makeFolder(join(folder, 'file', 'x')), /ENOTDIR/);
  assert.throws(() => makeFolder('/proc/nowhere/x'), /ENOENT/);
});
