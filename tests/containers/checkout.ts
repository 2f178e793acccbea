/** This repository as somebody else would have it: a folder of the files, or a clone's origin. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './engine.ts';

/** Who commits, always at the same time: the same files make the same commit, and the same layer of an image. */
const IDENTITY = {
  GIT_AUTHOR_NAME: 'malla',
  GIT_AUTHOR_EMAIL: 'malla@example.org',
  GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
  GIT_COMMITTER_NAME: 'malla',
  GIT_COMMITTER_EMAIL: 'malla@example.org',
  GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
};

/** Copies what a clone would have as of now, committed or not, for this user. */
export function exportCheckout(folder: string, uid: number): void {
  const list = spawnSync('git', ['-C', ROOT, 'ls-files', '-co', '--exclude-standard'], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
  assert.equal(list.status, 0, list.stderr);
  for (const file of list.stdout.trimEnd().split('\n')) {
    // One that was removed is listed until that is committed.
    if (!existsSync(join(ROOT, file))) continue;
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file), { verbatimSymlinks: true });
  }
  spawnSync('chown', ['--recursive', `${uid}:${uid}`, folder]);
}

/** Commits all that is in a folder, of which a repository is made if it is none, and writes its history to a file. */
export function bundle(folder: string, message: string, file: string): void {
  const git = (...args: readonly string[]): void => {
    execFileSync('git', ['-C', folder, ...args], {
      env: { ...process.env, ...IDENTITY },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  };
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('commit', '--quiet', `--message=${message}`);
  git('bundle', 'create', '--quiet', file, 'HEAD', 'main');
}
