/**
 * The control server put together: the one place where its parts meet the world. `startControl` either
 * has everything running when it resolves, or rejects with one MallaError and nothing left behind.
 */
import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import zlib from 'node:zlib';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import { formatKey } from '@malla/keys/key';
import { adminApp } from './admin/app.ts';
import type { AdminDeps } from './admin/deps.ts';
import { listenSocket, type SocketListener } from './admin/socket.ts';
import type { Config, ListenAddress } from './config/config.ts';
import { DerpMaps } from './derp-maps.ts';
import { EmbeddedRelay } from './embedded-relay.ts';
import { loadOrCreateKey } from './key-file.ts';
import { clientAddress } from './listen/client-address.ts';
import { type FetchHandler, fetchListener } from './listen/fetch-adapter.ts';
import { type HttpServer, listenHttp } from './listen/http-server.ts';
import { publicApp } from './listen/public-app.ts';
import { TlsFiles } from './listen/tls-files.ts';
import { isExpired } from '@malla/netmap/node';
import type { ServeInnerHttp } from './machine/inner-http.ts';
import { NoiseAcceptor, refuse } from './machine/noise-accept.ts';
import { listenMetrics, type MetricsListener } from './metrics.ts';
import type { Store } from './store/store.ts';
import { Tailnet, type World } from './tailnet.ts';

export interface ControlDeps {
  readonly store: Store;
  readonly log: Logger;
  readonly random: RandomBytes;
  readonly serveInner: ServeInnerHttp;
  readonly version: string;
  /** Unix ms; default the system's clock. */
  readonly now?: () => number;
}

export interface Control {
  /** Where it listens, the port chosen where it was 0. */
  readonly address: ListenAddress;
  readonly metricsAddress: ListenAddress | undefined;
  readonly tailnet: Tailnet;
  readonly admin: AdminDeps;
  /** Reads certificates and DERP maps again. */
  reload(): Promise<void>;
  /** Ends streams, stores what is not stored yet, closes listeners. The store stays open. */
  stop(): Promise<void>;
}

const MAX_PUBLIC_BODY_BYTES = 64 * 1024;
const MAX_API_BODY_BYTES = 4 << 20;
const MAX_NOISE_CONNECTIONS = 50_000;
/** How long requests may take to end when the server stops, ms. */
const STOP_GRACE_MS = 1_000;
/** zstd level 1: smaller and faster than 3 on peers' JSON (docs/performance.md). */
const ZSTD = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } };

/** Starts everything that the configuration asks for. */
export async function startControl(config: Config, deps: ControlDeps): Promise<Control> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await assemble(config, deps, undo);
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}

async function assemble(
  config: Config,
  deps: ControlDeps,
  undo: (() => Promise<void> | void)[],
): Promise<Control> {
  const { log, store } = deps;
  const world: World = {
    now: deps.now ?? (() => Date.now()),
    monotonic: () => performance.now(),
    random: deps.random,
    after: (delayMs, task) => {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
    compress: (bytes) => zlib.zstdCompressSync(bytes, ZSTD),
    log,
  };
  const noiseKey = await loadOrCreateKey(config.noise.privateKeyPath, deps.random);
  const relay =
    config.derp.server === undefined
      ? undefined
      : await EmbeddedRelay.create(config.derp.server, {
          log: log.child({ part: 'relay' }),
          admits: (key) => admits(key),
        });
  const derpMaps = new DerpMaps(
    { urls: config.derp.urls, paths: config.derp.paths, embedded: relay?.mapLayer },
    log,
  );
  const tailnet = await Tailnet.load(config, store, await derpMaps.read(), world);
  const admits = (key: Parameters<Tailnet['ledger']['state']['nodeByKey']>[0]): boolean => {
    const node = tailnet.ledger.state.nodeByKey(key);
    return node !== undefined && !isExpired(node, world.now());
  };
  const acceptor = new NoiseAcceptor({
    deps: tailnet.machine,
    staticKey: noiseKey,
    random: deps.random,
    serveInner: deps.serveInner,
    maxConnections: MAX_NOISE_CONNECTIONS,
    log,
  });
  const admin: AdminDeps = {
    ledger: tailnet.ledger,
    store,
    auth: tailnet.logins,
    c2n: tailnet.c2n,
    isOnline: (id) => tailnet.presences.isOnline(id),
    now: world.now,
    log,
  };
  const pages = publicApp({
    noiseKey: formatKey('mkey', noiseKey.publicBytes),
    serverUrl: config.serverUrl,
    version: deps.version,
    healthy: () => store.healthy(),
    authRequests: tailnet.authRequests,
    admits,
    relay: relay === undefined ? undefined : (request) => relay.answer(request),
  });
  const api = adminApp(admin, { authenticate: true });
  const onError = (error: unknown): void => log.error({ err: error }, 'request failed');
  const publicFetch: FetchHandler = (request) => pages.fetch(request);
  const apiListener = fetchListener((request) => api.fetch(request), {
    maxBodyBytes: MAX_API_BODY_BYTES,
    onError,
  });
  const pageListener = fetchListener(publicFetch, { maxBodyBytes: MAX_PUBLIC_BODY_BYTES, onError });
  const trusted = prefixesOf(config.listen.trustedProxies);
  const remoteOf = (request: IncomingMessage): string =>
    clientAddress(request.socket.remoteAddress, request.headers, trusted);
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const path = pathOf(request);
    if (path === '/ts2021') acceptor.accept(request, socket, head, remoteOf(request));
    else if (relay === undefined || !relay.upgrade(request, socket, head, remoteOf(request))) {
      refuse(socket, 404, 'nothing to upgrade here');
    }
  };
  const shared = {
    onRequest: (request: IncomingMessage, response: Parameters<typeof pageListener>[1]) =>
      (request.url ?? '').startsWith('/api/')
        ? apiListener(request, response)
        : pageListener(request, response),
    takesUpgrade: (request: IncomingMessage) =>
      pathOf(request) === '/ts2021' || (relay !== undefined && pathOf(request) === '/derp'),
    onUpgrade,
  };
  undo.push(
    () => tailnet.stop(),
    () => acceptor.close(),
  );

  const servers: HttpServer[] = [];
  const tlsFiles: TlsFiles[] = [];
  const listen = async (at: ListenAddress, files: TlsFiles | undefined): Promise<HttpServer> => {
    const server = await listenHttp({ ...at, ...shared, tls: files?.context });
    files?.onChange((context) => server.setTls(context));
    servers.push(server);
    undo.push(() => server.stop(0));
    return server;
  };
  const open = async (files: Parameters<typeof TlsFiles.open>[0]): Promise<TlsFiles> => {
    const opened = await TlsFiles.open(files, new URL(config.serverUrl).hostname, log);
    tlsFiles.push(opened);
    return opened;
  };
  const { control, tls, extraTls, unixSocket, metrics } = config.listen;
  const main = await listen(control, tls === undefined ? undefined : await open(tls));
  if (extraTls !== undefined) await listen(extraTls.address, await open(extraTls));
  const socket: SocketListener = await listenSocket(
    unixSocket,
    adminApp(admin, { authenticate: false }),
    log,
  );
  undo.push(() => socket.stop());
  await relay?.listen();
  undo.push(() => relay?.stop());
  const metricsListener: MetricsListener | undefined =
    metrics === undefined
      ? undefined
      : await listenMetrics(metrics, { tailnet, acceptor, relay, log });
  undo.push(() => metricsListener?.stop());

  const reload = async (): Promise<void> => {
    await Promise.all(tlsFiles.map((files) => files.reload()));
    await relay?.reload();
    tailnet.setDerpMap(await derpMaps.read());
  };
  const second = setInterval(() => void tailnet.tick(), 1_000);
  const tlsWatch = setInterval(
    () => void Promise.all(tlsFiles.map((files) => files.reload())),
    30_000,
  );
  const mapWatch =
    config.derp.updateMs === undefined
      ? undefined
      : setInterval(() => {
          void derpMaps.read().then((map) => tailnet.setDerpMap(map));
        }, config.derp.updateMs);

  return {
    address: { host: main.address.address, port: main.address.port },
    metricsAddress: metricsListener?.address,
    tailnet,
    admin,
    reload: () =>
      reload().catch((error: unknown) => log.error({ err: messageOf(error) }, 'reload failed')),
    async stop() {
      clearInterval(second);
      clearInterval(tlsWatch);
      clearInterval(mapWatch);
      await relay?.stop();
      const closing = servers.map((server) => server.stop(STOP_GRACE_MS));
      await tailnet.stop();
      acceptor.close();
      await Promise.all([...closing, socket.stop(), metricsListener?.stop()]);
    },
  };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

function prefixesOf(texts: readonly string[]): readonly Prefix[] {
  const out: Prefix[] = [];
  for (const text of texts) {
    const prefix = parsePrefix(text);
    if (prefix.ok) out.push(prefix.value);
  }
  return out;
}
