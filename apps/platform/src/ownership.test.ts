import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { loadOrCreateKey } from './key-file.ts';
import { makeFolder } from './make-folder.ts';
import { writePrivate } from './private-file.ts';
import { callAs, needsRoot, STRANGER } from './testing/as-user.ts';
import { ensureSelfSigned } from './tls/self-signed.ts';

const root = mkdtempSync(join(tmpdir(), 'malla-ownership-'));
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true }));

/** A folder of another user. */
function theirs(name: string): string {
  const path = join(root, name);
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, STRANGER, STRANGER);
  return path;
}

function ownerOf(path: string): readonly [uid: number, gid: number, mode: string] {
  const { uid, gid, mode } = statSync(path);
  return [uid, gid, (mode & 0o777).toString(8)];
}

describe("what root makes in a server's folder", { skip: needsRoot }, () => {
  test("is the server's: keys, certificates, small files, folders and what is in them", async () => {
    const folder = theirs('data');
    await loadOrCreateKey(join(folder, 'deep', 'noise.key'), randomBytes);
    const certificate = { certPath: join(folder, 'c.pem'), keyPath: join(folder, 'k.pem') };
    await ensureSelfSigned(certificate, 'a.test');
    await writePrivate(join(folder, 'note'), 'x');
    makeFolder(join(folder, 'a', 'b'));
    for (const name of ['deep/noise.key', 'c.pem', 'k.pem', 'note']) {
      assert.deepEqual(ownerOf(join(folder, name)), [STRANGER, STRANGER, '600'], name);
    }
    for (const name of ['deep', 'a', 'a/b']) {
      assert.deepEqual(ownerOf(join(folder, name)), [STRANGER, STRANGER, '700'], name);
    }
  });

  test('does not reach through a link that was put there', async () => {
    const folder = theirs('trap');
    const victim = join(root, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, join(folder, 'note.new'));
    await writePrivate(join(folder, 'note'), 'x');
    assert.equal(readFileSync(victim, 'utf8'), 'precious');
    assert.deepEqual(ownerOf(victim).slice(0, 2), [0, 0]);
    assert.deepEqual(ownerOf(join(folder, 'note')), [STRANGER, STRANGER, '600']);
  });

  test("in root's own folder stays root's", async () => {
    await writePrivate(join(root, 'note'), 'x');
    assert.deepEqual(ownerOf(join(root, 'note')), [0, 0, '600']);
  });

  test('in a folder for everybody stays of who makes it', async () => {
    const shared = join(root, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    callAs(
      STRANGER,
      new URL('private-file.ts', import.meta.url),
      'writePrivate',
      join(shared, 'x'),
      'y',
    );
    assert.deepEqual(ownerOf(join(shared, 'x')), [STRANGER, STRANGER, '600']);
    writeFileSync(join(shared, 'x'), 'still readable by root');
  });
});
