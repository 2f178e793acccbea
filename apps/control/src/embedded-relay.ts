/**
 * The relay and STUN servers inside the control server. Where clients reach control by https the relay
 * shares its listener; otherwise it has one of its own with a certificate of its own making, pinned in
 * the DERP map, because clients reach relays over TLS only.
 */
import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { isIP } from 'node:net';
import { systemClock } from '@malla/relay/clock';
import { BootstrapDns, systemResolve } from '@malla/relay/http/bootstrap-dns';
import { derpRoutes, type Route, standAloneRoutes } from '@malla/relay/http/routes';
import { DERP_PATH, DerpUpgrade } from '@malla/relay/http/upgrade';
import type { Admit } from '@malla/relay/hub';
import { directReadsWork } from '@malla/relay/link/direct-read';
import { RelayServer } from '@malla/relay/server';
import { StunServer } from '@malla/relay/stun/server';
import type { DerpMap, DerpMapLayer, DerpNode } from '@malla/wire/tailcfg/derp-map';
import type { EmbeddedRelayConfig } from './config/config.ts';
import { loadOrCreateKey } from '@malla/relay/key-file';
import { fetchListener } from './listen/fetch-adapter.ts';
import { pathOf } from './listen/front.ts';
import { type HttpServer, listenHttp } from './listen/http-server.ts';
import { TlsFiles } from './listen/tls-files.ts';

export interface EmbeddedRelayDeps {
  readonly log: Logger;
  readonly random: RandomBytes;
  readonly admit: Admit;
  /** Where an upgrade request comes from, behind trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** The present map, whose host names bootstrap DNS answers for. */
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
  readonly #tls: TlsFiles | undefined;
  #listener: HttpServer | undefined;
  #stun: StunServer | undefined;

  private constructor(
    config: EmbeddedRelayConfig,
    deps: EmbeddedRelayDeps,
    server: RelayServer,
    tls: TlsFiles | undefined,
    directReads: boolean,
  ) {
    this.#config = config;
    this.#deps = deps;
    this.server = server;
    this.#tls = tls;
    this.#upgrade = new DerpUpgrade({
      relay: server,
      directReads,
      sourceOf: (request) => ({
        address: deps.addressOf(request),
        port: request.socket.remotePort ?? 0,
      }),
    });
    const bootstrapDns = new BootstrapDns(
      () => hostNames(deps.derpMap()),
      systemResolve,
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
    const tls =
      config.own === undefined
        ? undefined
        : await TlsFiles.open(config.own, config.hostname, deps.log);
    const server = new RelayServer({
      key,
      random: deps.random,
      clock: systemClock,
      log: deps.log,
      admit: config.verifyClients ? deps.admit : () => true,
      maxConnections: config.maxClients,
      rate:
        config.clientRateLimit === undefined
          ? undefined
          : {
              perSecond: config.clientRateLimit.bytesPerSecond,
              burst: config.clientRateLimit.burstBytes,
            },
    });
    return new EmbeddedRelay(config, deps, server, tls, await directReadsWork());
  }

  /** Its region, as a layer of the DERP map; undefined when the map is not to have it. */
  get mapLayer(): DerpMapLayer | undefined {
    const { regionId, regionCode, regionName, addToMap } = this.#config;
    if (!addToMap) return undefined;
    const region = {
      RegionID: regionId,
      RegionCode: regionCode,
      RegionName: regionName,
      Nodes: [this.#mapNode()],
    };
    return { Regions: { [String(regionId)]: region } };
  }

  /** Listens on what is its own: TLS, unless it shares control's, and STUN. */
  async listen(): Promise<void> {
    const { own, stun } = this.#config;
    if (own !== undefined && this.#tls !== undefined) {
      const routes = this.#ownRoutes;
      const listener = await listenHttp({
        ...own.address,
        tls: this.#tls.pair,
        onRequest: fetchListener(
          async (request) =>
            (await routes(request)) ?? new Response('not found\n', { status: 404 }),
          {
            maxBodyBytes: 0,
            onError: (error) => this.#deps.log.error({ err: error }, 'request failed'),
          },
        ),
        onError: (error) => this.#deps.log.error({ err: error }, 'connection not accepted'),
        takesUpgrade: (request) => pathOf(request) === DERP_PATH,
        onUpgrade: (request, socket, head) => void this.upgrade(request, socket, head),
      });
      this.#listener = listener;
      this.#tls.onChange((pair) => listener.setTls(pair));
    }
    if (stun !== undefined) this.#stun = await StunServer.listen(stun, this.#deps.log);
  }

  /** Takes an upgrade request if it is DERP's. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): boolean {
    return this.#upgrade.handle(
      request,
      socket,
      Buffer.from(head.buffer, head.byteOffset, head.length),
    );
  }

  /** Answers plain requests to a relay's paths on control's own listener. */
  answer(request: Request): Promise<Response | undefined> {
    return this.#routes(request);
  }

  /** Reads the certificate again. */
  async reload(): Promise<void> {
    await this.#tls?.reload();
  }

  /** Packets that STUN has answered. */
  get stunAnswered(): number {
    return this.#stun?.counters.answered ?? 0;
  }

  async stop(): Promise<void> {
    await this.server.stop(COME_BACK);
    await Promise.all([this.#listener?.stop(0), this.#stun?.stop()]);
  }

  #mapNode(): DerpNode {
    const { regionId, hostname, port, ipv4, ipv6, stun, own } = this.#config;
    const literal = isIP(hostname);
    const v4 = ipv4 ?? (literal === 4 ? hostname : literal === 6 ? 'none' : undefined);
    const v6 = ipv6 ?? (literal === 6 ? hostname : literal === 4 ? 'none' : undefined);
    return {
      Name: `${regionId}a`,
      RegionID: regionId,
      HostName: hostname,
      ...(own?.selfMade === true && this.#tls !== undefined
        ? { CertName: pinOf(this.#tls.pair.cert) }
        : {}),
      ...(v4 === undefined ? {} : { IPv4: v4 }),
      ...(v6 === undefined ? {} : { IPv6: v6 }),
      DERPPort: port,
      STUNPort: stun === undefined ? -1 : stun.port,
    };
  }
}

/** How a client recognises a certificate that nobody vouches for. */
function pinOf(pem: Uint8Array): string {
  const { raw } = new X509Certificate(pem);
  return `sha256-raw:${createHash('sha256').update(raw).digest('hex')}`;
}

function hostNames(map: DerpMap): readonly string[] {
  const names = new Set<string>();
  for (const region of Object.values(map.Regions)) {
    for (const { HostName } of region.Nodes) if (isIP(HostName) === 0) names.add(HostName);
  }
  return [...names];
}
