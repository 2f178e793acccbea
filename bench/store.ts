/**
 * What durability costs: commits of 1, 32 and 256 nodes on the store's thread and on the caller's own,
 * beside what the disk takes for one sync; a storm of registrations through the ledger; the size of a
 * node on disk; and how long 10,000 nodes take to load. In a folder of the current one, since a temporary
 * one may be in memory.
 *
 *     node bench/store.ts
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parsePrefix } from '@malla/ip/prefix';
import { formatKey } from '@malla/keys/key';
import type { Node } from '@malla/netmap/node';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import { type AddressPlan, allocateAddresses } from '@malla/control/core/addresses';
import { decide } from '@malla/control/core/change';
import { State } from '@malla/control/core/state';
import { Ledger } from '@malla/control/ledger';
import { created, node } from '@malla/control/store/sample-rows';
import { type SqliteOptions, SqliteStore } from '@malla/control/store/sqlite/sqlite';
import type { Store } from '@malla/control/store/store';
import { ThreadedStore } from '@malla/control/store/sqlite/thread';
import { bench } from './report.ts';

const NODES = 10_000;
const BATCHES = [1, 32, 256];
/** Time for each measurement. */
const MEASURE_MS = 1_000;

const { report } = bench(import.meta.filename, {});
const folder = mkdtempSync(join(process.cwd(), '.bench-store-'));

async function measure(): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = { syncMicroseconds: round(syncMicroseconds()) };
  const { store: threaded } = await ThreadedStore.open(options('threaded'));
  results['onThread'] = await commits(threaded);
  await threaded.close();
  const direct = SqliteStore.open(options('direct'));
  results['onCaller'] = await commits(direct);
  await direct.close();
  results['registrations'] = await registrations();
  results['load'] = await loading();
  return results;
}

function options(name: string): SqliteOptions {
  return { path: join(folder, `${name}.db`), writeAheadLog: true, walAutocheckpoint: 1000 };
}

/** One append of a page and one sync: the least that a durable commit can cost here. */
function syncMicroseconds(): number {
  const file = openSync(join(folder, 'raw'), 'w');
  const page = new Uint8Array(4096);
  let count = 0;
  const start = performance.now();
  for (; performance.now() - start < MEASURE_MS; count++) {
    writeSync(file, page);
    fdatasyncSync(file);
  }
  const took = performance.now() - start;
  closeSync(file);
  return (took / count) * 1000;
}

async function commits(store: Store): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const size of BATCHES) {
    let count = 0;
    const start = performance.now();
    for (; performance.now() - start < MEASURE_MS; count++) {
      const first = (count * size) % NODES;
      const rows = Array.from({ length: size }, (_, i) => realNode(1 + ((first + i) % NODES)));
      await store.commit(rows.map((row) => created('node', row)));
    }
    const seconds = (performance.now() - start) / 1000;
    results[`batchOf${size}`] = {
      commitsPerSecond: round(count / seconds),
      nodesPerSecond: round((count * size) / seconds),
    };
  }
  return results;
}

/** New nodes through the ledger, all asked for at once; and how long the loop was held up at most. */
async function registrations(): Promise<Record<string, number>> {
  const { store } = await ThreadedStore.open(options('ledger'));
  const state = new State(await store.load(FIRST_TAILNET));
  const ledger = new Ledger({
    tailnet: FIRST_TAILNET,
    state,
    store,
    now: Date.now,
    random: (bytes) => randomBytes(bytes),
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  await Promise.all(Array.from({ length: NODES }, () => register(ledger)));
  const seconds = (performance.now() - start) / 1000;
  delay.disable();
  await store.close();
  return {
    perSecond: round(NODES / seconds),
    commits: ledger.counters.commits,
    longestTurnMs: round(delay.max / 1e6),
  };
}

function register(ledger: Ledger): Promise<void> {
  return ledger.execute((state, { random }) => {
    const addresses = allocateAddresses(state, PLAN, { userId: 1, tags: [] }, random);
    return decide(
      [created('node', { ...realNode(state.nextId('node')), ...addresses })],
      undefined,
    );
  });
}

async function loading(): Promise<Record<string, number>> {
  const { path } = options('ledger');
  const { store } = await ThreadedStore.open(options('ledger'));
  const start = performance.now();
  const snapshot = await store.load(FIRST_TAILNET);
  const loaded = performance.now();
  const state = new State(snapshot);
  const indexed = performance.now();
  await store.close();
  return {
    nodes: state.nodeCount(),
    bytesPerNode: round(statSync(path).size / state.nodeCount()),
    loadMs: round(loaded - start),
    indexMs: round(indexed - loaded),
  };
}

/** A node with what a Linux client reports. */
function realNode(id: number): Node {
  return node(id, {
    discoKey: formatKey('discokey', randomBytes(32)),
    endpoints: ['192.0.2.17:41641', '10.0.0.17:41641', '[2001:db8::17]:41641'],
    hostinfo: HOSTINFO,
    homeDerp: 999,
    capVersion: 131,
    createdAt: 1_795_000_000_000,
    lastSeen: 1_795_000_000_000,
  });
}

const HOSTINFO: Hostinfo = {
  IPNVersion: '1.102.2-t0123456789abcdef',
  BackendLogID: '0123456789abcdef'.repeat(4),
  OS: 'linux',
  OSVersion: '6.12.41+deb13-amd64',
  Container: false,
  Distro: 'debian',
  DistroVersion: '13.1',
  DistroCodeName: 'trixie',
  Desktop: false,
  Hostname: 'build-server-17',
  GoArch: 'amd64',
  GoArchVar: 'v1',
  GoVersion: 'go1.26.1',
  Services: [
    { Proto: 'peerapi4', Port: 35_513 },
    { Proto: 'peerapi6', Port: 38_221 },
    { Proto: 'tcp', Port: 22, Description: 'sshd' },
  ],
  NetInfo: {
    MappingVariesByDestIP: false,
    WorkingIPv6: true,
    OSHasIPv6: true,
    WorkingUDP: true,
    UPnP: false,
    PMP: false,
    PCP: false,
    PreferredDERP: 999,
    DERPLatency: { '999-v4': 0.012_345, '999-v6': 0.013_579, '1-v4': 0.087_654, '2-v4': 0.156_2 },
    FirewallMode: 'nft-default',
  },
  Cloud: '',
  Userspace: false,
  UserspaceRouter: false,
  AppConnector: false,
  StateEncrypted: false,
};

const PLAN: AddressPlan = {
  v4: prefix('100.64.0.0/10'),
  v6: prefix('fd7a:115c:a1e0::/48'),
  allocation: 'sequential',
};

function prefix(text: string): AddressPlan['v4'] {
  const parsed = parsePrefix(text);
  return parsed.ok ? parsed.value : undefined;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

try {
  report.addFields('', await measure());
  report.finish();
} finally {
  rmSync(folder, { recursive: true });
}
