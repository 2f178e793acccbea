/** A relay by itself: what the flags say, as options of the relay, and its life as a process. */
import { resolve } from 'node:path';
import { formatListenAddress, parseListenAddress } from '@malla/control/config/address';
import type { MeshServer } from '@malla/relay/mesh/mesh-client';
import { readMeshKey } from '@malla/relay/mesh/mesh-key';
import {
  type ListenAddress,
  type MeshOptions,
  runRelay,
  type RunRelayOptions,
} from '@malla/relay/run';
import { UsageError } from '../failure.ts';
import type { Cli } from '../invocation.ts';
import { createLogger } from '../log.ts';
import { runUntilStopped } from './run-until-stopped.ts';

/** The flags as commander has read them. */
export interface RelayFlags {
  readonly hostname: string;
  readonly listen: string;
  readonly httpPort?: number;
  readonly stunPort: number;
  readonly stun: boolean;
  readonly metrics?: string;
  readonly dataDir: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verifyClientUrl?: string;
  readonly verifyClientUrlFailOpen?: true;
  readonly bootstrapDnsNames?: readonly string[];
  readonly meshPskFile?: string;
  readonly meshWith?: readonly string[];
  readonly maxClients: number;
  readonly clientRate?: number;
  readonly clientBurst: number;
  readonly acceptConnectionLimit?: number;
  readonly acceptConnectionBurst: number;
  readonly regionId: number;
  readonly regionCode: string;
  readonly regionName: string;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly logFormat: 'text' | 'json';
}

/** Runs until a signal ends it. Throws UsageError for flags that do not fit, MallaError if it cannot start. */
export async function serveRelay(cli: Cli, flags: RelayFlags): Promise<void> {
  const write = (line: string): void => cli.terminal.err.write(line);
  const log = createLogger({ level: flags.logLevel, format: flags.logFormat, write, now: cli.now });
  const mesh = await meshOptions(flags, cli.cwd);
  const options: RunRelayOptions = { ...relayOptions(flags, cli.cwd), ...(mesh && { mesh }), log };
  await runUntilStopped(
    cli,
    log,
    () => runRelay(options),
    async (relay) => {
      const { derp, http, stun, metrics } = relay;
      log.info(
        { derp: shown(derp), http: shown(http), stun: shown(stun), metrics: shown(metrics) },
        'relay started',
      );
      cli.terminal.out.write(
        `# A DERP map file: name it in derp.paths of the control server.\n${relay.mapFile}`,
      );
    },
  );
}

/** What the flags ask for, beside the mesh. Paths are made absolute from `cwd`. */
function relayOptions(flags: RelayFlags, cwd: string): Omit<RunRelayOptions, 'log' | 'mesh'> {
  const { cert, key, clientRate, acceptConnectionLimit } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('--cert and --key go together');
  }
  return {
    hostname: flags.hostname,
    dataDir: resolve(cwd, flags.dataDir),
    listen: address('--listen', flags.listen),
    maxClients: flags.maxClients,
    region: { id: flags.regionId, code: flags.regionCode, name: flags.regionName },
    ...(flags.httpPort !== undefined && { httpPort: flags.httpPort }),
    ...(flags.stun && { stunPort: flags.stunPort }),
    ...(flags.metrics !== undefined && { metrics: address('--metrics', flags.metrics) }),
    ...(cert !== undefined &&
      key !== undefined && {
        certificate: { certPath: resolve(cwd, cert), keyPath: resolve(cwd, key) },
      }),
    ...(flags.verifyClientUrl !== undefined && { verifyUrl: url(flags.verifyClientUrl) }),
    ...(flags.verifyClientUrlFailOpen === true && { verifyFailOpen: true }),
    ...(flags.bootstrapDnsNames && { bootstrapDnsNames: flags.bootstrapDnsNames }),
    ...(clientRate !== undefined && {
      clientRate: { perSecond: clientRate, burst: flags.clientBurst },
    }),
    ...(acceptConnectionLimit !== undefined && {
      acceptRate: { perSecond: acceptConnectionLimit, burst: flags.acceptConnectionBurst },
    }),
  };
}

async function meshOptions(
  { meshPskFile, meshWith = [] }: RelayFlags,
  cwd: string,
): Promise<MeshOptions | undefined> {
  const servers = meshWith.map(meshServer);
  if (meshPskFile !== undefined)
    return { key: await readMeshKey(resolve(cwd, meshPskFile)), servers };
  if (servers.length > 0) throw new UsageError('--mesh-with needs --mesh-psk-file');
  return undefined;
}

function meshServer(text: string): MeshServer {
  const [, place = '', pin] = /^([^@]+)(?:@(sha256-raw:[0-9a-f]{64}))?$/.exec(text) ?? [];
  const at = parseListenAddress(place) ?? parseListenAddress(`${place}:443`);
  if (at?.host !== undefined) return { host: at.host, port: at.port, pin };
  throw new UsageError(
    `invalid argument "${text}" for "--mesh-with" flag: expected host, host:port or host:port@sha256-raw:…`,
  );
}

function address(flag: string, text: string): ListenAddress {
  const parsed = parseListenAddress(text);
  if (parsed !== undefined) return parsed;
  throw new UsageError(
    `invalid argument "${text}" for "${flag}" flag: expected host:port, [IPv6]:port or :port`,
  );
}

function url(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) return text;
  throw new UsageError(
    `invalid argument "${text}" for "--verify-client-url" flag: expected a URL with http:// or https://`,
  );
}

function shown(at: ListenAddress | undefined): string | undefined {
  return at === undefined ? undefined : formatListenAddress(at);
}
