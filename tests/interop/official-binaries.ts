/**
 * The official `tailscaled` and `tailscale`, built from the Go modules beside this file into
 * `.cache/interop/<version>`, once for as long as the module files stay the same.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The newest release that is tested, and the oldest that this server supports. */
export const OFFICIAL_VERSIONS = ['1.102', '1.80'] as const;
export type OfficialVersion = (typeof OFFICIAL_VERSIONS)[number];

export interface OfficialBinaries {
  readonly tailscaled: string;
  readonly tailscale: string;
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/interop/', import.meta.url));

/** Paths of a version's programs; builds them if need be, which takes minutes on a fresh machine. */
export function officialBinaries(version: OfficialVersion): OfficialBinaries {
  const moduleDir = join(HERE, `client-${version}`);
  const outDir = join(CACHE, version);
  const binaries = { tailscaled: join(outDir, 'tailscaled'), tailscale: join(outDir, 'tailscale') };
  const stampFile = join(outDir, 'modules.sha256');
  const stamp = hashOf(join(moduleDir, 'go.mod'), join(moduleDir, 'go.sum'));
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return binaries;

  const startedAt = performance.now();
  process.stderr.write(`building the official client ${version} ...\n`);
  mkdirSync(outDir, { recursive: true });
  const packages = ['tailscale.com/cmd/tailscaled', 'tailscale.com/cmd/tailscale'];
  const { status, error } = spawnSync(
    'go',
    ['build', '-ldflags=-s -w', '-o', outDir, ...packages],
    { cwd: moduleDir, stdio: ['ignore', process.stderr.fd, process.stderr.fd] },
  );
  if (status !== 0) {
    throw new Error(`go build of client ${version}: ${error?.message ?? `exit code ${status}`}`);
  }
  writeFileSync(stampFile, stamp);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stderr.write(`built the official client ${version} in ${seconds} s\n`);
  return binaries;
}

function hashOf(...files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
