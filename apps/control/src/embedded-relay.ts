/**
 * The relay and STUN servers inside the control server. Where clients reach control by https the relay
 * shares its listener; otherwise it has one of its own with a certificate of its own making, pinned in
 * the DERP map, because clients reach relays over TLS only.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { NodePublic } from '@malla/keys/key';
import type { Lease } from '@malla/platform/budget/budget';
import { systemClock } from '@malla/platform/clock';
import { BootstrapDns } from '@malla/relay/http/bootstrap-dns';
import { dnsResolve } from '@malla/relay/http/resolve';
import { type HttpServer, PUBLIC_ACCEPTORS } from '@malla/platform/http/http-server';
import { listenSmall, type Route } from '@malla/platform/http/listener';
import { derpRoutes, standAloneRoutes } from '@malla/relay/http/pages';
import { DerpUpgrade } from '@malla/relay/http/upgrade';
import { loadOrCreateKey } from '@malla/platform/key-file';
import { directReadsWork } from '@malla/platform/link/direct-read';
import { RelayServer } from '@malla/relay/server';
import { type StunCounters, StunServer } from '@malla/relay/stun/server';
import { metaCertificate } from '@malla/relay/tls/meta-certificate';
import { ServerCertificate } from '@malla/platform/tls/server-certificate';
import type { DerpMap, DerpMapLayer } from '@malla/wire/tailcfg/derp-map';
import type { Budgets } from './budgets.ts';
import type { EmbeddedRelayConfig } from './config/config.ts';
import { embeddedLayer } from './embedded-map-node.ts';

export interface EmbeddedRelayDeps {
  readonly log: Logger;
  readonly random: RandomBytes;
  /** Asked when a client comes, and then each minute. */
  readonly admit: (key: NodePublic) => boolean;
  /** Whether a key is a node's: it is served from the purse of the known. */
  readonly isNode: (key: NodePublic) => boolean;
  /** Where an upgrade request comes from, behind trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** Whether an address is that of such a proxy. */
  readonly isProxy?: (address: string) => boolean;
  readonly budgets: Budgets;
  /** Of the control server: bootstrap DNS answers for this name, and for those of the map. */
  readonly serverHost: string;
  /** The present map. */
  readonly derpMap: () => DerpMap;
}

/** How long clients wait before they come back, at most, and how long they try, ms. */
const COME_BACK = { reconnectInMs: 1_000, tryForMs: 30_000 } as const;

export class EmbeddedRelay {
  readonly server: RelayServer;
  readonly #config: EmbeddedRelayConfig;
  readonly #deps: EmbeddedRelayDeps;
  readonly #upgrade: DerpUpgrade;
  readonly #routes: Route;
  readonly #ownRoutes: Route;
  readonly #certificate: ServerCertificate | undefined;
  #listener: HttpServer | undefined;
  #stun: StunServer | undefined;

  private constructor(
    config: EmbeddedRelayConfig,
    deps: EmbeddedRelayDeps,
    server: RelayServer,
    certificate: ServerCertificate | undefined,
    directReads: boolean,
  ) {
    this.#config = config;
    this.#deps = deps;
    this.server = server;
    this.#certificate = certificate;
    this.#upgrade = new DerpUpgrade({
      relay: server,
      directReads,
      sourceOf: (request) => ({
        address: deps.addressOf(request),
        port: request.socket.remotePort ?? 0,
      }),
    });
    const bootstrapDns = new BootstrapDns(
      () => hostNames(deps.serverHost, deps.derpMap()),
      dnsResolve(),
      systemClock,
    );
    this.#routes = derpRoutes(bootstrapDns);
    this.#ownRoutes = standAloneRoutes(bootstrapDns);
  }

  /** Reads its key and certificate, making them at the first start. Listens to nothing yet. */
  static async create(
    config: EmbeddedRelayConfig,
    deps: EmbeddedRelayDeps,
  ): Promise<EmbeddedRelay> {
    const key = await loadOrCreateKey(config.privateKeyPath, deps.random);
    const certificate =
      config.own &&
      (await ServerCertificate.open({
        files: config.own,
        hostname: config.hostname,
        follower: metaCertificate(key.publicBytes),
        log: deps.log,
      }));
    const admit = config.verifyClients ? deps.admit : (): boolean => true;
    const server = new RelayServer({
      key,
      random: deps.random,
      clock: systemClock,
      log: deps.log,
      admit,
      mayStay: admit,
      isKnown: deps.isNode,
      maxConnections: config.maxClients,
      rate:
        config.clientRateLimit === undefined
          ? undefined
          : {
              perSecond: config.clientRateLimit.bytesPerSecond,
              burst: config.clientRateLimit.burstBytes,
            },
    });
    return new EmbeddedRelay(config, deps, server, certificate, await directReadsWork());
  }

  /** Its region, as a layer of the DERP map; undefined when the map is not to have it. */
  get mapLayer(): DerpMapLayer | undefined {
    const isOwnMade = this.#config.own?.selfMade === true;
    return embeddedLayer(this.#config, isOwnMade ? this.#certificate?.pin : undefined);
  }

  /** Listens on what is its own: TLS, unless it shares control's, and STUN. */
  async listen(): Promise<void> {
    const { own, stun } = this.#config;
    if (own !== undefined && this.#certificate !== undefined) {
      this.#listener = await listenSmall({
        ...own.address,
        tls: this.#certificate.chain,
        acceptors: PUBLIC_ACCEPTORS,
        budgets: this.#deps.budgets,
        addressOf: this.#deps.addressOf,
        isProxy: this.#deps.isProxy,
        route: this.#ownRoutes,
        upgrade: this.#upgrade,
        log: this.#deps.log,
      });
    }
    if (stun !== undefined) this.#stun = await StunServer.listen(stun, this.#deps.log);
  }

  /** Takes over the socket of an upgrade request to DERP's path on control's own listener. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, lease: Lease | undefined): void {
    this.#upgrade.onUpgrade(request, socket, head, lease);
  }

  /** Answers plain requests to a relay's paths on control's own listener. */
  answer(request: Request): Promise<Response | undefined> {
    return this.#routes(request);
  }

  /** Reads the certificate again. */
  async reload(): Promise<void> {
    const certificate = this.#certificate;
    if (certificate === undefined || !(await certificate.refresh())) return;
    this.#listener?.setTls(certificate.chain);
  }

  /** What STUN counts; undefined where there is none. */
  get stunCounters(): StunCounters | undefined {
    return this.#stun?.counters;
  }

  async stop(): Promise<void> {
    await this.server.stop(COME_BACK);
    await Promise.all([this.#listener?.stop(0), this.#stun?.stop()]);
  }
}

function hostNames(serverHost: string, map: DerpMap): readonly string[] {
  const names = new Set(isIP(serverHost) === 0 ? [serverHost] : []);
  for (const region of Object.values(map.Regions)) {
    for (const { HostName } of region.Nodes) if (isIP(HostName) === 0) names.add(HostName);
  }
  return [...names];
}
