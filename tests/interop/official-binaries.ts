/**
 * Official programs, built from the Go modules beside this file into `.cache/interop`, once for as long as
 * the module files stay the same: the client, its relay, and peers of our own making, from its libraries.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The newest release that is tested, and the oldest that this server supports. */
export const OFFICIAL_VERSIONS = ['1.102', '1.80'] as const;
export type OfficialVersion = (typeof OFFICIAL_VERSIONS)[number];

export interface OfficialBinaries {
  readonly tailscaled: string;
  readonly tailscale: string;
}

interface Programs {
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
const DAEMON = 'tailscale.com/cmd/tailscaled';
/** Where the peers of our own making are. */
const PEERS = 'client-1.102';
/** Makes relays reachable through WebSockets, where the environment asks for it. */
const WEBSOCKETS = 'ts_debug_websockets';

/** Paths of a version's programs; builds them if need be, which takes minutes on a fresh machine. */
export function officialBinaries(version: OfficialVersion): OfficialBinaries {
  const dir = build({
    name: version,
    module: `client-${version}`,
    packages: [DAEMON, 'tailscale.com/cmd/tailscale'],
  });
  return { tailscaled: join(dir, 'tailscaled'), tailscale: join(dir, 'tailscale') };
}

/** A daemon that can be told to reach relays through WebSockets, as browsers do. */
export function websocketDaemon(version: OfficialVersion): string {
  const dir = build({
    name: `${version}-websockets`,
    module: `client-${version}`,
    packages: [DAEMON],
    tags: [WEBSOCKETS],
  });
  return join(dir, 'tailscaled');
}

/** The official relay, `derper`. */
export function officialRelay(): string {
  const packages = ['tailscale.com/cmd/derper'];
  return join(build({ name: 'derper', module: 'derper', packages }), 'derper');
}

/** One client of a relay that does what it is told, `client-1.102/derppeer`, of a release; also through WebSockets. */
export function relayPeer(version: OfficialVersion): string {
  return buildPeer('derppeer', version, { tags: [WEBSOCKETS] });
}

/** One end of a Noise connection, `client-1.102/noisepeer`, of a release. */
export function noisePeer(version: OfficialVersion): string {
  return buildPeer('noisepeer', version);
}

/** A device as a browser has it, `client-1.102/browserpeer`, of a release: js/wasm. */
export function browserPeer(version: OfficialVersion): string {
  return buildPeer('browserpeer', version, { env: { GOOS: 'js', GOARCH: 'wasm' } });
}

/** What runs a program for js/wasm in Node, as a script before the program's path. */
export function wasmRuntime(): string {
  const { stdout } = spawnSync('go', ['env', 'GOROOT'], { encoding: 'utf8' });
  return join(stdout.trim(), 'lib', 'wasm', 'wasm_exec_node.js');
}

/** Builds all of them, so that no test's time limit meets a cold compiler cache. */
export function buildAll(): void {
  officialRelay();
  for (const version of OFFICIAL_VERSIONS) {
    officialBinaries(version);
    websocketDaemon(version);
    relayPeer(version);
    noisePeer(version);
    browserPeer(version);
  }
}

/** A program of our own making from the official implementation, of a release. The sources are one for all. */
function buildPeer(
  program: string,
  version: OfficialVersion,
  { tags = [], env }: Pick<Programs, 'tags' | 'env'> = {},
): string {
  const dir = build({
    name: `${program}-${version}`,
    module: PEERS,
    packages: [`./${program}`],
    // What differs between releases is in files of a tag.
    tags: [...tags, `client_${version.replace('.', '_')}`],
    ...(PEERS === `client-${version}` ? {} : { releases: `client-${version}` }),
    ...(env === undefined ? {} : { env }),
  });
  return join(dir, program);
}

/** Builds programs that are not there yet, or of other sources, and returns their folder. */
function build({ name, module, releases, packages, tags = [], env }: Programs): string {
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
