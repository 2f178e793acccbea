import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { whyDenied, whyDeniedTo } from './denied.ts';
import { callAs, needsRoot, STRANGER } from './testing/as-user.ts';

const MODULE = new URL('denied.ts', import.meta.url);
const root = mkdtempSync(join(tmpdir(), 'malla-denied-'));
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true }));

/** A file or, without text, a folder; of root unless said otherwise. */
function make(name: string, mode: number, text?: string, uid = 0): string {
  const path = join(root, name);
  if (text === undefined) mkdirSync(path);
  else writeFileSync(path, text);
  chownSync(path, uid, uid);
  chmodSync(path, mode);
  return path;
}

function whyNot(path: string, wanted: string): unknown {
  return callAs(STRANGER, MODULE, 'whyDenied', path, wanted);
}

describe('what is denied', { skip: needsRoot }, () => {
  test('in a folder of somebody else is said with owner, who asks, and the command', () => {
    const folder = make('theirs', 0o755);
    for (const wanted of ['write', 'replace']) {
      const said = String(whyNot(join(folder, 'malla.db'), wanted));
      assert.ok(
        said.startsWith(
          `${folder} belongs to root (uid 0), mode 0755, and malla runs as nobody (uid 65534): chown -R 65534:65534 ${folder}`,
        ),
        said,
      );
    }
    assert.equal(whyNot(join(folder, 'malla.db'), 'read'), null);
  });

  test('by a file of somebody else in its own folder is mended for the whole folder', () => {
    const folder = make('own', 0o700, undefined, STRANGER);
    const file = make('own/malla.db', 0o600, 'x');
    assert.match(
      String(whyNot(file, 'replace')),
      /^\S+\/malla\.db belongs to root \(uid 0\), mode 0600, .*: chown -R 65534:65534 \S+\/own\b/,
    );
    const readable = make('own/readable.db', 0o644, 'x');
    assert.equal(whyNot(readable, 'read'), null);
    assert.match(String(whyNot(readable, 'write')), /readable\.db belongs to root/);
    assert.equal(whyNot(join(folder, 'none'), 'replace'), null);
  });

  test('where a folder is missing tells how to make it', () => {
    const missing = join(make('above', 0o755), 'a', 'b');
    assert.match(
      String(whyNot(join(missing, 'x.db'), 'write')),
      /^\S+\/a\/b does not exist, and \S+\/above belongs to root .*: install -d -m 0700 -o 65534 -g 65534 \S+\/a\/b\b/,
    );
  });

  test('behind a closed folder asks for a copy, and never to open the folder', () => {
    make('closed', 0o700);
    const file = make('closed/key.pem', 0o644, 'x');
    assert.match(
      String(whyNot(file, 'read')),
      /^\S+\/closed belongs to root \(uid 0\), mode 0700, .*: give malla a copy in a folder that it may enter$/,
    );
  });

  test('to be read is mended by the group', () => {
    const file = make('policy.hujson', 0o600, 'x');
    assert.match(
      String(whyNot(file, 'read')),
      new RegExp(`: chgrp 65534 ${file} && chmod g\\+r ${file}$`),
    );
  });

  test("by one's own mode is mended by that", () => {
    const file = make('mine', 0o400, 'x', STRANGER);
    assert.match(String(whyNot(file, 'write')), new RegExp(`: chmod u\\+rwX ${file}$`));
  });

  test('in a folder of the system is not to be had', () => {
    const said = String(whyNot('/run/malla-denied.sock', 'replace'));
    assert.match(said, /^\/run belongs to root .*: choose a path in a folder of malla's own$/);
  });

  test('has no explanation where nothing is', () => {
    assert.equal(whyNot(join(root, 'none'), 'read'), null);
    assert.equal(whyNot('/dev/null', 'write'), null);
    assert.equal(whyNot(join(make('a-file', 0o600, 'x'), 'x'), 'replace'), null);
    assert.equal(whyDenied(join(root, 'anything'), 'replace'), undefined);
  });
});

describe('what will be denied to another user', { skip: needsRoot }, () => {
  test('is the same as what is denied when it tries', () => {
    const closed = make('closed-to', 0o700);
    const file = make('closed-to/key.pem', 0o644, 'x');
    const secret = make('secret', 0o640, 'x');
    const own = make('own-to', 0o700, undefined, STRANGER);
    for (const [path, wanted] of [
      [file, 'read'],
      [secret, 'read'],
      [join(closed, 'none'), 'replace'],
      [join(own, 'malla.db'), 'replace'],
      [join(root, 'nowhere', 'malla.db'), 'write'],
    ] as const) {
      assert.equal(whyDeniedTo(STRANGER, path, wanted) ?? null, whyNot(path, wanted), path);
    }
    assert.equal(whyDeniedTo(0, file, 'read'), undefined);
  });

  test('goes by the groups of the user', () => {
    const file = make('of-group', 0o640, 'x');
    chownSync(file, 0, STRANGER);
    assert.equal(whyDeniedTo(STRANGER, file, 'read'), undefined);
    assert.notEqual(whyDeniedTo(STRANGER, file, 'write'), undefined);
  });

  test(
    'is nothing where an access list allows it',
    { skip: needsRoot || skipWithoutAcls() },
    () => {
      const file = make('listed', 0o600, 'x');
      assert.notEqual(whyDeniedTo(STRANGER, file, 'read'), undefined);
      assert.equal(spawnSync('setfacl', ['-m', `u:${STRANGER}:r`, file]).status, 0);
      assert.equal(whyDeniedTo(STRANGER, file, 'read'), undefined);
    },
  );
});

function skipWithoutAcls(): string | false {
  return spawnSync('setfacl', ['--version']).status === 0 ? false : 'needs setfacl';
}
