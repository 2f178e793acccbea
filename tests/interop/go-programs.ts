/**
 * Programs built from the Go modules beside this file into `.cache/interop`, once for as long as the module files
 * stay the same.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Some that are built at once. */
export interface GoPrograms {
  /** Where they are kept. */
  readonly name: string;
  /** Folder of the Go module. */
  readonly module: string;
  /** Folder of a module whose releases are used in place of the module's own. */
  readonly releases?: string;
  readonly packages: readonly string[];
  readonly tags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/interop/', import.meta.url));

/** Builds programs that are not there yet, or of other sources, and returns their folder. */
export function buildGo({ name, module, releases, packages, tags = [], env }: GoPrograms): string {
  const cwd = join(HERE, module);
  const outDir = join(CACHE, name);
  const stampFile = join(outDir, 'modules.sha256');
  const own = packages.filter((path) => path.startsWith('./')).map((path) => join(cwd, path));
  const sources = own.flatMap((dir) => globSync('*.go', { cwd: dir }).map((it) => join(dir, it)));
  const modules = join(HERE, releases ?? module);
  const stamp = hashOf(join(modules, 'go.mod'), join(modules, 'go.sum'), ...sources.toSorted());
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return outDir;

  const startedAt = performance.now();
  process.stderr.write(`building ${name} ...\n`);
  mkdirSync(outDir, { recursive: true });
  const flags = ['-ldflags=-s -w', `-tags=${tags.join(',')}`];
  if (releases !== undefined) flags.push(`-modfile=${join(modules, 'go.mod')}`);
  const { status, error } = spawnSync('go', ['build', ...flags, '-o', outDir, ...packages], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
  });
  if (status !== 0) {
    throw new Error(`go build of ${name}: ${error?.message ?? `exit code ${status}`}`);
  }
  writeFileSync(stampFile, stamp);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stderr.write(`built ${name} in ${seconds} s\n`);
  return outDir;
}

function hashOf(...files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
