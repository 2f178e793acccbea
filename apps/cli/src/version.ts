/** Which malla this is: the version of the package, and the commit when it runs from a checkout. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const UNKNOWN = 'unknown';
const GIT_TIMEOUT_MS = 2_000;

const run = promisify(execFile);

export interface VersionInfo {
  readonly version: string;
  /** `unknown` outside a checkout, or without git. */
  readonly commit: string;
  /** RFC 3339 time of the commit, or `unknown`. */
  readonly buildTime: string;
  readonly node: { readonly version: string; readonly os: string; readonly arch: string };
  /** Tracked files differ from the commit. */
  readonly dirty: boolean;
}

/** Reads it; never fails. */
export async function readVersion(): Promise<VersionInfo> {
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
