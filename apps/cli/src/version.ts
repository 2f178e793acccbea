/**
 * Which malla this is: the version of the package, and the commit, from the checkout or from what an image
 * was given when it was built (`build.json`, by deploy/Dockerfile).
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BuildInfo } from '@malla/control/build-info';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const UNKNOWN = 'unknown';
const GIT_TIMEOUT_MS = 2_000;

const NODE = { version: process.version, os: process.platform, arch: process.arch };

const run = promisify(execFile);

/** Reads it; never fails. */
export async function readVersion(): Promise<BuildInfo> {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const built = readBuilt();
  if (built !== undefined) return { version: manifest.version, ...built, node: NODE, dirty: false };
  const [head = '', changes = ''] = existsSync(join(ROOT, '.git'))
    ? await Promise.all([
        git('log', '-1', '--format=%H %cI'),
        git('status', '--porcelain', '--untracked-files=no'),
      ])
    : [];
  const [commit = '', time = ''] = head.split(' ');
  return {
    version: manifest.version,
    commit: known(commit),
    buildTime: known(time),
    node: NODE,
    dirty: changes !== '',
  };
}

function readBuilt(): Pick<BuildInfo, 'commit' | 'buildTime'> | undefined {
  const file = join(ROOT, 'build.json');
  if (!existsSync(file)) return undefined;
  const { commit, buildTime } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  return { commit: known(commit), buildTime: known(buildTime) };
}

function known(text: string | undefined): string {
  return text === undefined || text === '' ? UNKNOWN : text;
}

async function git(...argv: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', ROOT, ...argv], { timeout: GIT_TIMEOUT_MS });
    return stdout.trim();
  } catch {
    return '';
  }
}
