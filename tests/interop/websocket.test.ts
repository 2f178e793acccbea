/**
 * The official client through WebSockets: as it is in a browser (`client-1.102/browserpeer`, js/wasm under
 * Node), which has no other sockets, and native (`client-1.102/derppeer`), which can be told to use them
 * for relays. Those of 1.80 know WebSockets on port 443 alone, whatever they are told: they are in
 * embedded-relay.test.ts, which has one. Needs Go and, the first time, its module proxy.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { deleteNode } from '@malla/control/core/nodes';
import type { NodePublic } from '@malla/keys/key';
import { type RunningRelay, runRelay } from '@malla/relay/run';
import { TestServer } from '../system/test-server.ts';
import { skipWithout } from './needs.ts';
import { browserPeer, relayPeer, wasmRuntime } from './official-binaries.ts';

interface Device {
  readonly name: string;
  readonly key: string;
  readonly online: boolean;
  readonly endpoints: readonly string[] | null;
}

interface Netmap {
  readonly name: string;
  readonly peers: readonly Device[];
  /** How many DNS records the server has given. */
  readonly records: number;
}

const VERSION = '1.102';
const CERTIFICATE = 'derp_cert.pem';

describe('the official client through WebSockets', { skip: skipWithout('go') }, () => {
  let dir: string;
  let runtime: string;
  let server: TestServer;
  let key: string;
  const programs: Peer[] = [];

  before(async () => {
    // Here, where a build holds up nobody who waits for an answer.
    browserPeer(VERSION);
    relayPeer(VERSION);
    dir = await mkdtemp(join(tmpdir(), 'malla-browserpeer-'));
    runtime = wasmRuntime();
  });
  after(() => rm(dir, { recursive: true }));

  beforeEach(async () => {
    server = await TestServer.start({ sharedRelay: true });
    key = await server.key(await server.user('user'));
  });
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.end()));
    await server.stop();
  });

  /** A browser that has joined. `trusted` is the file of a certificate, besides the usual ones. */
  async function open(hostname: string, { url = server.url, authKey = key, trusted = '' } = {}) {
    // Go's HTTP client does not use fetch in a Node that was started by the name `node` alone.
    const args = [runtime, browserPeer(VERSION), url, authKey, hostname];
    const env = trusted === '' ? {} : { NODE_EXTRA_CA_CERTS: trusted };
    const peer = new Peer(process.execPath, args, env);
    programs.push(peer);
    await peer.start('joined');
    return peer;
  }

  /** Two browsers send each other packets through a relay. */
  async function exchangeAt(relayUrl: string, trusted?: string): Promise<void> {
    const [a, b] = await Promise.all([open('a', { trusted }), open('b', { trusted })]);
    a.tell(`relay ${relayUrl}`);
    b.tell(`relay ${relayUrl}`);
    await exchange(a, b);
  }

  /** A relay with a certificate of its own making. */
  async function startRelay(t: TestContext): Promise<RunningRelay> {
    const relay = await runRelay({
      hostname: '127.0.0.1',
      dataDir: dir,
      listen: { host: '127.0.0.1', port: 0 },
      stunPort: 0,
      maxClients: 100,
      region: { id: 900, code: 'test', name: 'Test' },
      log: silentLogger,
    });
    t.after(() => relay.stop());
    return relay;
  }

  test('a browser joins and sees another, online', async () => {
    const [a, b] = await Promise.all([open('a'), open('b')]);
    const netmap = await a.until(({ peers }) => peers[0]?.online === true);
    assert.equal(netmap.name, 'a.malla.internal.');
    assert.equal(netmap.peers[0]?.name, 'b.malla.internal.');
    assert.equal(netmap.peers[0].key, b.key);
  });

  test('a browser is a peer of a native client, and reports where it is', async () => {
    const native = await server.join('native', key);
    const browser = await open('browser');
    await browser.until(({ peers }) => peers[0]?.key === native.nodeKey && peers[0].online);
    browser.tell('update 192.0.2.7:41641');
    await browser.next('updated');
    await native.until(({ peers }) => {
      const [peer] = peers.values();
      return String(peer?.['Endpoints']) === '192.0.2.7:41641' && peer?.['Online'] === true;
    });
    await native.report(['192.0.2.8:41641']);
    await browser.until(({ peers }) => peers[0]?.endpoints?.[0] === '192.0.2.8:41641');
  });

  test('a browser is told that its node was deleted', async () => {
    const browser = await open('browser');
    await browser.next('netmap');
    const { ledger } = server.control.tailnet;
    const node = ledger.state.nodeByKey(browser.key as NodePublic);
    assert.ok(node);
    await ledger.execute((state) => deleteNode(state, node.id));
    await browser.next('ended');
  });

  test('a browser takes a map of 1 MB', async () => {
    const rows = Array.from({ length: 7_500 }, () => {
      const labels = [0, 1].map(() => randomBytes(24).toString('hex'));
      return `    - {name: ${labels.join('.')}, type: A, value: 192.0.2.1}\n`;
    });
    const large = await TestServer.start({ yaml: `dns:\n  extra_records:\n${rows.join('')}` });
    try {
      const authKey = await large.key(await large.user('user'));
      const browser = await open('browser', { url: large.url, authKey });
      const { records } = await browser.until(() => true);
      assert.equal(records, rows.length);
      await browser.end();
    } finally {
      await large.stop();
    }
  });

  test('a browser exchanges packets of every size through the relay on the port of control', async () => {
    await exchangeAt(`${server.url}/derp`);
  });

  test('a browser exchanges packets of every size through a relay of its own', async (t) => {
    const { derp } = await startRelay(t);
    await exchangeAt(`https://127.0.0.1:${derp.port}/derp`, join(dir, CERTIFICATE));
  });

  test('a native client exchanges packets of every size through a relay of its own', async (t) => {
    const { derp } = await startRelay(t);
    const node = { Name: '900a', RegionID: 900, HostName: '127.0.0.1', DERPPort: derp.port };
    const region = JSON.stringify({ RegionID: 900, RegionCode: 'test', Nodes: [node] });
    const env = { TS_DEBUG_DERP_WS_CLIENT: 'true', SSL_CERT_FILE: join(dir, CERTIFICATE) };
    const [a, b] = [0, 1].map(() => new Peer(relayPeer(VERSION), ['derp', region], env));
    assert.ok(a && b);
    programs.push(a, b);
    await Promise.all([a.start('connected'), b.start('connected')]);
    await exchange(a, b);
  });
});

/** Waits until the relay knows both, and sends packets each way. */
async function exchange(a: Peer, b: Peer): Promise<void> {
  await Promise.all([a.next('info'), b.next('info')]);
  for (const [fill, bytes] of [1, 100, 1_280, 16_384, 65_536].entries()) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.tell(`send ${to.key} ${bytes} ${fill}`);
      assert.deepEqual(await to.next('packet'), { source: from.key, bytes, fill, intact: true });
    }
  }
}

/** A Go program: its events are read one kind at a time, others are skipped. */
class Peer {
  readonly #process: ChildProcess;
  readonly #events: AsyncIterator<string>;
  key = '';

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.#process = child;
    this.#events = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves with the event that tells its key. */
  async start(event: 'joined' | 'connected'): Promise<void> {
    this.key = String((await this.next(event))['key']);
  }

  tell(command: string): void {
    this.#process.stdin?.write(`${command}\n`);
  }

  /** The facts of the next event of this kind. */
  async next(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = await this.#events.next();
      assert.ok(line.done !== true, `the client ended before ${event}`);
      const { event: kind, ...facts } = JSON.parse(line.value) as Record<string, unknown>;
      if (kind === event) return facts;
    }
  }

  /** The first netmap from now on that satisfies the condition. */
  async until(condition: (netmap: Netmap) => boolean): Promise<Netmap> {
    for (;;) {
      const netmap = (await this.next('netmap')) as unknown as Netmap;
      if (condition(netmap)) return netmap;
    }
  }

  async end(): Promise<void> {
    this.#process.stdin?.end();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await once(this.#process, 'exit');
    }
  }
}
