/** Which malla this is: the version of the package, and the commit when it runs from a checkout. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BuildInfo } from '@malla/control/build-info';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const UNKNOWN = 'unknown';
const GIT_TIMEOUT_MS = 2_000;

const run = promisify(execFile);

/** Reads it; never fails. */
export async function readVersion(): Promise<BuildInfo> {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const [head = '', changes = ''] = existsSync(join(ROOT, '.git'))
    ? await Promise.all([
        git('log', '-1', '--format=%H %cI'),
        git('status', '--porcelain', '--untracked-files=no'),
      ])
    : [];
  const [commit = '', time = ''] = head.split(' ');
  return {
    version: manifest.version,
    commit: commit === '' ? UNKNOWN : commit,
    buildTime: time === '' ? UNKNOWN : time,
    node: { version: process.version, os: process.platform, arch: process.arch },
    dirty: changes !== '',
  };
}

async function git(...argv: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', ROOT, ...argv], { timeout: GIT_TIMEOUT_MS });
    return stdout.trim();
  } catch {
    return '';
  }
}
