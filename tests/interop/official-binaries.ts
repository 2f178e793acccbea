/** Official programs: the client, its relay, and peers of our own making, from its libraries. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildGo, type GoPrograms } from './go-programs.ts';

/** The newest release that is tested, and the oldest that this server supports. */
export const OFFICIAL_VERSIONS = ['1.102', '1.80'] as const;
export type OfficialVersion = (typeof OFFICIAL_VERSIONS)[number];

export interface OfficialBinaries {
  readonly tailscaled: string;
  readonly tailscale: string;
}

const DAEMON = 'tailscale.com/cmd/tailscaled';
/** Where the peers of our own making are. */
const PEERS = 'client-1.102';
/** Makes relays reachable through WebSockets, where the environment asks for it. */
const WEBSOCKETS = 'ts_debug_websockets';

/** Paths of a version's programs; builds them if need be, which takes minutes on a fresh machine. */
export function officialBinaries(version: OfficialVersion): OfficialBinaries {
  const dir = buildGo({
    name: version,
    module: `client-${version}`,
    packages: [DAEMON, 'tailscale.com/cmd/tailscale'],
  });
  return { tailscaled: join(dir, 'tailscaled'), tailscale: join(dir, 'tailscale') };
}

/** A daemon that can be told to reach relays through WebSockets, as browsers do. */
export function websocketDaemon(version: OfficialVersion): string {
  const dir = buildGo({
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
  return join(buildGo({ name: 'derper', module: 'derper', packages }), 'derper');
}

/** One client of a relay that does what it is told, `client-1.102/derppeer`, of a release; also through WebSockets. */
export function relayPeer(version: OfficialVersion): string {
  return buildPeer('derppeer', version, { tags: [WEBSOCKETS] });
}

/** One end of a Noise connection, `client-1.102/noisepeer`, of a release. */
export function noisePeer(version: OfficialVersion): string {
  return buildPeer('noisepeer', version);
}

/** A control server, the official test server, `client-1.102/controlserver`, of a release. */
export function testControl(version: OfficialVersion): string {
  return buildPeer('controlserver', version);
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
  testControl('1.102');
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
  { tags = [], env }: Pick<GoPrograms, 'tags' | 'env'> = {},
): string {
  const dir = buildGo({
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
