/**
 * A relay by itself, as `malla relay` runs it: DERP over TLS, plain HTTP for captive portal checks,
 * STUN, metrics.
 *
 * Without an operator's certificate it makes one. Clients then know it by the pin in
 * {@link RunningRelay.mapFile}, which is to be put among the control server's map files.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { LimitedLog } from '@malla/base/limited-log';
import type { Logger } from '@malla/base/logger';
import type { DerpNode } from '@malla/wire/tailcfg/derp-map';
import type { Registry } from 'prom-client';
import { stringify } from 'yaml';
import { verifyByUrl } from './admission.ts';
import { type RelayBudgets, relayBudgets } from './budgets.ts';
import { systemClock } from '@malla/platform/clock';
import { type Rate, TokenBucket } from './forward/token-bucket.ts';
import { BootstrapDns } from './http/bootstrap-dns.ts';
import { dnsResolve } from './http/resolve.ts';
import { type HttpServer, PUBLIC_ACCEPTORS } from '@malla/platform/http/http-server';
import { listenSmall } from '@malla/platform/http/listener';
import { generate204, standAloneRoutes } from './http/pages.ts';
import { DerpUpgrade } from './http/upgrade.ts';
import type { Admit } from './hub.ts';
import { loadOrCreateKey } from '@malla/platform/key-file';
import { openFilesLimit, warnOfFewOpenFiles } from '@malla/platform/open-files';
import { directReadsWork } from '@malla/platform/link/direct-read';
import { MeshClient, type MeshServer } from './mesh/mesh-client.ts';
import { listenMetrics } from '@malla/platform/metrics-listener';
import { RelayServer } from './server.ts';
import { StunServer } from './stun/server.ts';
import type { CertificatePaths } from '@malla/platform/tls/self-signed';
import { metaCertificate } from './tls/meta-certificate.ts';
import { ServerCertificate } from '@malla/platform/tls/server-certificate';

export interface ListenAddress {
  /** Name or IP literal; absent: all addresses of both families. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface RunRelayOptions {
  /** Name or IP literal by which clients reach it. */
  readonly hostname: string;
  /** Keeps `derp_private.key`, and a certificate of its own making. */
  readonly dataDir: string;
  /** DERP over TLS. derper: `-a`. */
  readonly listen: ListenAddress;
  /** Plain HTTP, for `/generate_204`; on the host of `listen`. derper: `-http-port`. */
  readonly httpPort?: number;
  /** UDP port of STUN; on the host of `listen`. derper: `-stun-port`. */
  readonly stunPort?: number;
  /** Where Prometheus finds metrics. Not for the public. */
  readonly metrics?: ListenAddress;
  /** The operator's certificate, read again when it changes. Absent: one of its own making. */
  readonly certificate?: CertificatePaths;
  /** Who may use the relay: asked for every client. Absent: everybody. derper: `-verify-client-url`. */
  readonly verifyUrl?: string;
  /**
   * Serve everybody while `verifyUrl` does not answer. Default no, for a relay that is open while its
   * control server is away is open to whoever can bring that about. derper:
   * `-verify-client-url-fail-open`, default yes.
   */
  readonly verifyFailOpen?: boolean;
  readonly maxClients: number;
  /** What one client may send, in bytes. */
  readonly clientRate?: Rate;
  /** New connections. derper: `-accept-connection-limit`, `-accept-connection-burst`. */
  readonly acceptRate?: Rate;
  /** Names beside `hostname` that clients may ask for. derper: `-bootstrap-dns-names`. */
  readonly bootstrapDnsNames?: readonly string[];
  /** Other servers of the same region, which share its clients. derper: `-mesh-psk-file`, `-mesh-with`. */
  readonly mesh?: MeshOptions;
  /** Its region in the map file. */
  readonly region: { readonly id: number; readonly code: string; readonly name: string };
  readonly log: Logger;
}

export interface MeshOptions {
  /** 32 bytes, the same on all servers of the region. */
  readonly key: Uint8Array;
  /** This server may be among them. */
  readonly servers: readonly MeshServer[];
}

export interface RunningRelay {
  readonly derp: ListenAddress;
  readonly http: ListenAddress | undefined;
  readonly stun: ListenAddress | undefined;
  readonly metrics: ListenAddress | undefined;
  /** YAML for the control server's `derp.paths`, with the certificate's pin where it is needed. */
  readonly mapFile: string;
  /** Reads the certificate again. */
  reload(): Promise<void>;
  /** Tells clients to come back, and closes everything. */
  stop(): Promise<void>;
}

/** How often certificates are looked at, ms. */
const REFRESH_MS = 3_600_000;
const LOG_LOOK_MS = 10_000;
/** What clients are told when the relay stops: it is probably a restart. */
const COME_BACK = { reconnectInMs: 1_000, tryForMs: 30_000 } as const;

/** Starts a relay. Throws MallaError when it cannot; then nothing is left running. */
export async function runRelay(options: RunRelayOptions): Promise<RunningRelay> {
  const { listen, hostname, dataDir } = options;
  // Anybody can connect: what comes of it must not fill a disk.
  const limited = new LimitedLog(options.log, () => systemClock.now());
  const { log } = limited;
  const key = await loadOrCreateKey(join(dataDir, 'derp_private.key'), random);
  const certificate = await ServerCertificate.open({
    files: {
      certPath: join(dataDir, 'derp_cert.pem'),
      keyPath: join(dataDir, 'derp_key.pem'),
      ...options.certificate,
      selfMade: options.certificate === undefined,
    },
    hostname,
    follower: metaCertificate(key.publicBytes),
    log,
  });
  const directReads = await directReadsWork();
  const { maxClients, verifyUrl } = options;
  const openFiles = await openFilesLimit();
  warnOfFewOpenFiles(openFiles, log);
  const budgets = relayBudgets({ maxClients, vouched: verifyUrl !== undefined, openFiles }, log);
  const relay = new RelayServer({
    key,
    random,
    clock: systemClock,
    log,
    admit: admission({ ...options, log }),
    isKnown: () => verifyUrl !== undefined,
    maxConnections: maxClients,
    rate: options.clientRate,
    meshKey: options.mesh?.key,
  });
  const running: { stop(): Promise<void> }[] = [];
  const started = <T extends { stop(): Promise<void> }>(part: T): T => {
    running.push(part);
    return part;
  };
  const stop = async (): Promise<void> => {
    await relay.stop(COME_BACK);
    await Promise.all(running.map((part) => part.stop()));
  };
  try {
    const names = [hostname, ...(options.bootstrapDnsNames ?? [])];
    const rate = options.acceptRate && new TokenBucket(options.acceptRate, systemClock.now());
    const common = {
      host: listen.host,
      acceptors: PUBLIC_ACCEPTORS,
      budgets,
      accepts: () => rate?.trySpend(1, systemClock.now()) ?? true,
      log,
    };
    const derp = started(
      await listenSmall({
        ...common,
        port: listen.port,
        tls: certificate.chain,
        route: standAloneRoutes(new BootstrapDns(() => names, dnsResolve(), systemClock)),
        upgrade: new DerpUpgrade({ relay, directReads }),
      }),
    );
    const { httpPort, stunPort } = options;
    const http =
      httpPort === undefined
        ? undefined
        : started(await listenSmall({ ...common, port: httpPort, route: plainRoute }));
    const stun =
      stunPort === undefined
        ? undefined
        : started(await StunServer.listen({ host: listen.host, port: stunPort }, log));
    const metrics =
      options.metrics &&
      started(await listenMetrics(options.metrics, () => registryOf(relay, stun, budgets), log));
    const { key: meshKey = new Uint8Array(0), servers = [] } = options.mesh ?? {};
    for (const server of servers) {
      const { remotes, pool, clock } = relay;
      started(new MeshClient({ server, key, meshKey, remotes, pool, clock, random, log }));
    }
    const reload = async (): Promise<void> => {
      if (await certificate.refresh()) derp.setTls(certificate.chain);
    };
    const refresh = setInterval(() => void reload(), REFRESH_MS).unref();
    const look = setInterval(() => limited.look(), LOG_LOOK_MS).unref();
    return {
      derp: addressOf(derp, listen.host),
      http: http && addressOf(http, listen.host),
      stun: stun && { host: listen.host, port: stun.port ?? 0 },
      metrics: metrics && addressOf(metrics, options.metrics?.host),
      mapFile: mapFile(options, derp.address.port, stun?.port, certificate.pin),
      reload,
      async stop() {
        clearInterval(refresh);
        clearInterval(look);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function admission({ verifyUrl, verifyFailOpen, log }: RunRelayOptions): Admit {
  if (verifyUrl === undefined) {
    log.warn({}, 'the relay serves everybody who finds it');
    return () => true;
  }
  return verifyByUrl({
    url: verifyUrl,
    failOpen: verifyFailOpen === true,
    clock: systemClock,
    log,
  });
}

function random(bytes: number): Uint8Array {
  return Uint8Array.from(randomBytes(bytes));
}

/** On port 80 there is the captive portal check, and nothing else. */
async function plainRoute(request: Request): Promise<Response | undefined> {
  return new URL(request.url).pathname === '/generate_204' ? generate204(request) : undefined;
}

/** Loaded when it is first asked for. */
async function registryOf(
  relay: RelayServer,
  stun: StunServer | undefined,
  { connections, bodies }: RelayBudgets,
): Promise<Registry> {
  const [{ Registry }, { registerRelayMetrics }, { registerBudgets }] = await Promise.all([
    import('prom-client'),
    import('./metrics.ts'),
    import('@malla/platform/budget/budget-metrics'),
  ]);
  const registry = new Registry();
  registerBudgets(registry, [connections, bodies], () => performance.now());
  registerRelayMetrics(registry, relay, stun?.counters);
  return registry;
}

function addressOf({ address }: HttpServer, host: string | undefined): ListenAddress {
  return { host, port: address.port };
}

/** What the control server's operator adds to `derp.paths`. */
function mapFile(
  { hostname, region, certificate, httpPort }: RunRelayOptions,
  port: number,
  stunPort: number | undefined,
  pin: string,
): string {
  const family = isIP(hostname);
  const node: DerpNode = {
    Name: `${region.id}a`,
    RegionID: region.id,
    HostName: hostname,
    ...(certificate === undefined && { CertName: pin }),
    ...(family !== 0 && {
      IPv4: family === 4 ? hostname : 'none',
      IPv6: family === 6 ? hostname : 'none',
    }),
    STUNPort: stunPort ?? -1,
    DERPPort: port,
    ...(httpPort === 80 && { CanPort80: true }),
  };
  const entry = {
    RegionID: region.id,
    RegionCode: region.code,
    RegionName: region.name,
    Nodes: [node],
  };
  return stringify({ Regions: { [region.id]: entry } });
}
