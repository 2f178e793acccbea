/**
 * The control server put together: the one place where its parts meet the world. `startControl` either
 * has everything running when it resolves, or rejects with one MallaError and leaves nothing behind.
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { LimitedLog } from '@malla/base/limited-log';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { formatKey, type NodePublic } from '@malla/keys/key';
import { isExpired } from '@malla/netmap/node';
import type { FetchHandler } from '@malla/platform/http/fetch-adapter';
import { type HttpServer, listenHttp, PUBLIC_ACCEPTORS } from '@malla/platform/http/http-server';
import { listenSmall } from '@malla/platform/http/listener';
import { openFilesLimit, warnOfFewOpenFiles } from '@malla/platform/open-files';
import { type CertificateFiles, ServerCertificate } from '@malla/platform/tls/server-certificate';
import type { AdminDeps } from './admin/deps.ts';
import { listenSocket } from './admin/socket.ts';
import { createBudgets } from './budgets.ts';
import type { BuildInfo } from './build-info.ts';
import { hostOf } from './config/address.ts';
import type { ListenAddress } from './config/address.ts';
import type { Config } from './config/config.ts';
import { DerpMaps } from './derp-maps.ts';
import { RecordFile } from './dns/record-file.ts';
import { EmbeddedRelay } from './embedded-relay.ts';
import { clientAddress, isTrustedProxy } from './listen/client-address.ts';
import { createFront } from './listen/front.ts';
import { ProxyAdvice } from './listen/proxy-advice.ts';
import { publicApp } from './listen/public-app.ts';
import { redirectTo } from './listen/redirect.ts';
import type { ServeInnerHttp } from './channel/inner-http.ts';
import { serveByOwn } from './channel/inner-own.ts';
import { NoiseAcceptor } from './channel/noise-accept.ts';
import { machinesOf } from './machine/requests.ts';
import { listenMetrics } from './metrics.ts';
import { loadNative } from './native/load.ts';
import { noteUse, openNoiseKey } from './noise-key.ts';
import { operatorCommands } from './operator-commands.ts';
import { PolicyHolder } from './policy/holder.ts';
import { membersOf } from './policy/members.ts';
import type { Store } from './store/store.ts';
import { WatchedStore } from './store/watched-store.ts';
import { Tailnet, type World } from './tailnet.ts';
import { prefixOf } from './tailnet-map.ts';

export interface ControlDeps {
  readonly store: Store;
  /** Whether the store was made just now. */
  readonly databaseIsNew?: boolean;
  readonly log: Logger;
  readonly random: RandomBytes;
  readonly build: BuildInfo;
  /** How the operator calls malla, such as `./bin/malla`: for the commands that people are told. */
  readonly call: string;
  /** What carries HTTP inside Noise; default as the configuration says. */
  readonly serveInner?: ServeInnerHttp;
  /** Whether functions of the node binary may be called directly; default yes, where that works. */
  readonly native?: boolean;
  /** Unix ms; default the system's clock. */
  readonly now?: () => number;
}

export interface Control {
  /** Where it listens, the port chosen where it was 0. */
  readonly address: ListenAddress;
  readonly metricsAddress: ListenAddress | undefined;
  readonly tailnet: Tailnet;
  /** Reads the policy, certificates, DERP maps and DNS records again. Never rejects: failures are logged. */
  reload(): Promise<void>;
  /** Ends streams, stores what is not stored yet, closes listeners. The store stays open. */
  stop(): Promise<void>;
}

/** How long requests may take to end when the server stops, ms. */
const STOP_GRACE_MS = 1_000;
const LOG_LOOK_EVERY_MS = 10_000;
/** Lines of one kind about nodes: a tailnet may join at once, and a node may log in and out without end. */
const JOURNAL_LIMIT = { burst: 10_000, everyMs: 200 } as const;
const TLS_LOOK_EVERY_MS = 30_000;
const POLICY_LOOK_EVERY_MS = 1_000;
const RECORDS_LOOK_EVERY_MS = 2_000;

/** Monotonic ms. */
const monotonic = (): number => performance.now();

/** Starts everything that the configuration asks for. */
export async function startControl(config: Config, deps: ControlDeps): Promise<Control> {
  const running = new Running();
  try {
    return await assemble(config, deps, running);
  } catch (error) {
    await running.stop();
    throw error;
  }
}

async function assemble(config: Config, deps: ControlDeps, running: Running): Promise<Control> {
  const { log } = deps;
  const limited = new LimitedLog(log, monotonic);
  const journal = new LimitedLog(log, monotonic, JOURNAL_LIMIT);
  running.every(LOG_LOOK_EVERY_MS, async () => {
    limited.look();
    journal.look();
  });
  const store = new WatchedStore(deps.store, log, monotonic);
  const openFiles = await openFilesLimit();
  const budgets = createBudgets(log, monotonic, {
    waitingLogins: config.registerCache.maxEntries,
    openFiles,
  });
  warnOfFewOpenFiles(openFiles, log);
  const native = loadNative(log, deps.native ?? true);
  const world = worldOf(deps, {
    serverUrl: config.serverUrl,
    loginLifetimeMs: config.registerCache.expirationMs,
    compress: native.compress,
    budgets,
    log: limited.log,
    journal: journal.log,
  });
  const addressOf = (request: IncomingMessage): string =>
    clientAddress(request.socket.remoteAddress, request.headers, trusted);
  const isProxy = (address: string): boolean => isTrustedProxy(address, trusted);
  const trusted = config.listen.trustedProxies
    .map((text) => prefixOf(text))
    .filter((prefix) => prefix !== undefined);
  const hostname = hostOf(new URL(config.serverUrl));
  const relay =
    config.derp.server &&
    (await EmbeddedRelay.create(config.derp.server, {
      log: limited.log.child({ part: 'relay' }),
      random: deps.random,
      admit: (key) => admits(key),
      isNode: (key) => tailnet.ledger.state.nodeByKey(key) !== undefined,
      addressOf,
      isProxy,
      budgets,
      serverHost: hostname,
      derpMap: () => tailnet.map.derpMap,
    }));
  const { urls, paths } = config.derp;
  const derpMaps = new DerpMaps(
    { urls, paths, embedded: relay?.mapLayer, serverHost: hostname },
    log,
  );
  let acceptor: NoiseAcceptor | undefined;
  const tailnet = await Tailnet.load(
    FIRST_TAILNET,
    config.tailnet,
    store,
    await derpMaps.read(),
    world,
  );
  running.add(async () => {
    await tailnet.stop();
    acceptor?.close();
  });
  const { state } = tailnet.ledger;
  const keyFiles = {
    keyPath: config.noise.privateKeyPath,
    databasePath: config.database.path,
    log,
  };
  const noiseKey = await openNoiseKey({
    ...keyFiles,
    state,
    databaseIsNew: deps.databaseIsNew ?? false,
    random: deps.random,
  });
  let noting: Promise<void> | undefined;
  onceNotEmpty(tailnet, () => {
    noting = noteUse(keyFiles);
  });
  // A server that stops at once must have noted it all the same.
  running.add(async () => await noting);
  const admits = (key: NodePublic): boolean => {
    const node = tailnet.ledger.state.nodeByKey(key);
    return node !== undefined && !isExpired(node, world.now());
  };
  acceptor = new NoiseAcceptor({
    machines: machinesOf(tailnet.machine),
    staticKey: noiseKey,
    random: deps.random,
    serveInner: deps.serveInner ?? (await innerHttp(config)),
    aead: native.aead,
    budgets,
    log: limited.log,
  });
  const members = membersOf(tailnet.ledger.state);
  const policyDeps = {
    members: () => tailnet.access.engine ?? members,
    engineOptions: tailnet.engineOptions,
  };
  const policy = new PolicyHolder({
    tailnet: tailnet.id,
    ...policyDeps,
    source: config.tailnet.policy.source,
    ledger: tailnet.ledger,
    onRows: (listener) => tailnet.events.on('rows', ({ changes }) => listener(changes)),
    store,
    onChange: (next) => tailnet.setPolicy(next),
    now: world.now,
    log,
  });
  await policy.start();
  const admin: AdminDeps = {
    ledger: tailnet.ledger,
    store,
    logins: tailnet.logins,
    c2n: tailnet.c2n,
    dns: tailnet.dns,
    policy: {
      ...policyDeps,
      holder: policy,
      configured: config.tailnet.policy,
      monotonic: world.monotonic,
      engine: () => tailnet.access.engine,
      state: tailnet.ledger.state,
    },
    addresses: tailnet.machine.rules.addresses,
    tags: tailnet.machine.rules.tags,
    autoApproved: tailnet.access.autoApproved,
    isOnline: (id) => tailnet.presences.isOnline(id),
    servedBy: (id) => tailnet.routes.servedBy(id),
    events: tailnet.events,
    after: world.after,
    now: world.now,
    log,
    version: deps.build.version,
  };
  const pages = publicApp({
    noiseKey: formatKey('mkey', noiseKey.publicBytes),
    serverUrl: config.serverUrl,
    build: deps.build,
    commands: world.commands,
    healthy: shared(() => store.healthy()),
    pendingLogins: tailnet.pendingLogins,
    sshChecks: tailnet.sshChecks,
    state: tailnet.ledger.state,
    admits,
    relay: relay && ((request) => relay.answer(request)),
  });
  const front = createFront({
    pages: (request) => pages.fetch(request),
    api: lazyApi(admin, true),
    acceptor,
    relay,
    addressOf,
    isProxy,
    budgets,
    advice: new ProxyAdvice(log, monotonic, trusted),
    log: limited.log,
  });

  const refreshes: (() => Promise<void>)[] = [];
  const listen = async (
    address: ListenAddress,
    files: CertificateFiles | undefined,
  ): Promise<HttpServer> => {
    const certificate = files && (await ServerCertificate.open({ files, hostname, log }));
    const tls = certificate?.chain;
    const server = await listenHttp({ ...address, ...front, tls, acceptors: PUBLIC_ACCEPTORS });
    running.add(() => server.stop(STOP_GRACE_MS));
    if (certificate !== undefined) {
      refreshes.push(async () => {
        if (await certificate.refresh()) server.setTls(certificate.chain);
      });
    }
    return server;
  };
  const { control, tls, extraTls, httpRedirect, unixSocket, metrics } = config.listen;
  const main = await listen(control, tls);
  if (httpRedirect !== undefined) {
    const route = redirectTo(config.serverUrl);
    const redirect = await listenSmall({
      ...httpRedirect,
      budgets,
      addressOf,
      isProxy,
      route,
      log: limited.log,
    });
    running.add(() => redirect.stop(0));
  }
  if (extraTls !== undefined) await listen(extraTls.address, extraTls);
  const socket = await listenSocket(unixSocket, { fetch: lazyApi(admin, false) }, log);
  running.add(() => socket.stop());
  const metricsListener =
    metrics && (await listenMetrics(metrics, { tailnet, policy, acceptor, relay, budgets, log }));
  if (metricsListener !== undefined) running.add(() => metricsListener.stop());
  if (relay !== undefined) {
    // First, so that clients are told to come back before anything else ends.
    running.addFirst(() => relay.stop());
    await relay.listen();
  }

  const readMaps = async (): Promise<void> => tailnet.setDerpMap(await derpMaps.read());
  const readTls = async (): Promise<void> => {
    await Promise.all([...refreshes.map((refresh) => refresh()), relay?.reload()]);
  };
  const { extraRecordsPath } = config.tailnet.dns;
  const recordFile = extraRecordsPath
    ? await RecordFile.open({ path: extraRecordsPath, keptPath: keptRecords(config), log })
    : undefined;
  const readRecords = async (): Promise<void> => {
    if (recordFile && (await recordFile.reload())) tailnet.setFileRecords(recordFile.records);
  };
  if (recordFile) {
    tailnet.setFileRecords(recordFile.records);
    running.every(RECORDS_LOOK_EVERY_MS, readRecords);
  }
  running.every(POLICY_LOOK_EVERY_MS, () => policy.look());
  running.every(TLS_LOOK_EVERY_MS, readTls);
  if (config.derp.updateMs !== undefined) running.every(config.derp.updateMs, readMaps);
  return {
    address: { host: main.address.address, port: main.address.port },
    metricsAddress: metricsListener?.address,
    tailnet,
    async reload() {
      await Promise.all([policy.reload(), readTls(), readMaps(), readRecords()]);
    },
    stop: () => running.stop(),
  };
}

/** Where the records of a file are kept for a start at which it cannot be read. */
function keptRecords({ dataDir }: Config): string {
  return join(dataDir, 'dns_records_last_good.json');
}

/** What must be ended, all at once, when the server stops or could not start. */
class Running {
  readonly #steps: (() => Promise<void>)[] = [];
  readonly #first: (() => Promise<void>)[] = [];
  readonly #timers: NodeJS.Timeout[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  addFirst(step: () => Promise<void>): void {
    this.#first.push(step);
  }

  /** `task` never rejects. */
  every(ms: number, task: () => Promise<void>): void {
    this.#timers.push(setInterval(() => void task(), ms));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#first.map((step) => step()));
    await Promise.all(this.#steps.map((step) => step()));
  }
}

function worldOf(
  deps: ControlDeps,
  made: Pick<World, 'serverUrl' | 'loginLifetimeMs' | 'compress' | 'budgets' | 'log' | 'journal'>,
): World {
  return {
    now: deps.now ?? (() => Date.now()),
    monotonic,
    random: deps.random,
    after: (delayMs, task) => {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
    commands: operatorCommands(deps.call),
    ...made,
  };
}

/** One answer for all who ask while it is being found. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () =>
    (asking ??= ask().finally(() => {
      asking = undefined;
    }));
}

/** Calls back when there is a node: now, or when the first one joins. */
function onceNotEmpty({ ledger }: Tailnet, task: () => void): void {
  let isDue = ledger.state.nodeCount() === 0;
  if (!isDue) return task();
  ledger.onChanges(() => {
    if (!isDue || ledger.state.nodeCount() === 0) return;
    isDue = false;
    task();
  });
}

/** What carries HTTP inside Noise; node's is loaded only where it is asked for. */
async function innerHttp(config: Config): Promise<ServeInnerHttp> {
  return config.http2 === 'own'
    ? serveByOwn
    : (await import('./channel/inner-node.ts')).serveByNode;
}

/** The REST API, loaded when it is first asked: its schemas take as much memory as all the rest. */
function lazyApi(admin: AdminDeps, authenticate: boolean): FetchHandler {
  let loading: Promise<{ fetch: FetchHandler }> | undefined;
  return async (request) => {
    loading ??= import('./admin/app.ts').then(({ adminApp }) => adminApp(admin, { authenticate }));
    return await (await loading).fetch(request);
  };
}
