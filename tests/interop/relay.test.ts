/**
 * Our relay and STUN server against the official client (`client-1.102/derppeer`) of each release, through TLS:
 * with the pinned certificate of the relay's own making, or, for clients that know no pins of it yet (1.80),
 * with the operator's. Needs Go and, the first time, its module proxy.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { runRelay, type RunningRelay } from '@malla/relay/run';
import { decodeDerpMap } from '@malla/wire/tailcfg/derp-map';
import { parse } from 'yaml';
import { type Certificate, makeCertificate } from './certificate.ts';
import { describeEachVersion } from './each-version.ts';
import { skipWithout } from './needs.ts';
import { relayPeer } from './official-binaries.ts';

const MESH_KEY = new Uint8Array(32).fill(0x77);
const RATE = { perSecond: 100_000_000, burst: 10_000_000 };

const skip = skipWithout('go', 'openssl');

describeEachVersion('the relay with the official client', skip, (version) => {
  const knowsPins = version !== '1.80';
  let dir: string;
  let operators: Certificate | undefined;
  let relay: RunningRelay;
  const peers: DerpPeer[] = [];

  before(async () => {
    // Here, where a build holds up nobody who waits for an answer.
    relayPeer(version);
    dir = await mkdtemp(join(tmpdir(), 'malla-derppeer-'));
    if (!knowsPins) operators = makeCertificate(dir, 'IP:127.0.0.1');
  });
  after(() => rm(dir, { recursive: true }));
  beforeEach(async () => {
    relay = await runRelay({
      hostname: '127.0.0.1',
      dataDir: dir,
      listen: { host: '127.0.0.1', port: 0 },
      stunPort: 0,
      metrics: { host: '127.0.0.1', port: 0 },
      maxClients: 100,
      clientRate: RATE,
      mesh: { key: MESH_KEY, servers: [] },
      region: { id: 900, code: 'test', name: 'Test' },
      ...(operators && {
        certificate: { certPath: operators.certFile, keyPath: operators.keyFile },
      }),
      log: silentLogger,
    });
  });
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.end()));
    await relay.stop();
  });

  async function connect(privateKey?: string): Promise<DerpPeer> {
    return await begin('derp', region(), ...(privateKey === undefined ? [] : [privateKey]));
  }

  async function begin(...args: readonly string[]): Promise<DerpPeer> {
    const peer = peerThatTrusts(operators?.certFile, ...args);
    peers.push(peer);
    await peer.start();
    return peer;
  }

  /** A client that has not been started; of another authority than the system's, where one is given. */
  function peerThatTrusts(certFile: string | undefined, ...args: readonly string[]): DerpPeer {
    const env = certFile === undefined ? {} : { SSL_CERT_FILE: certFile };
    return new DerpPeer(relayPeer(version), args, env);
  }

  /** The relay's region as a client gets it, in JSON. */
  function region(mapFile = relay.mapFile): string {
    const map = decodeDerpMap(parse(mapFile));
    assert.ok(map.ok);
    return JSON.stringify(map.value.layer.Regions['900']);
  }

  async function metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${relay.metrics?.port}/metrics`);
    const line = new RegExp(`^${name} (\\d+)$`, 'm').exec(await response.text());
    return Number(line?.[1]);
  }

  test(`it trusts ${knowsPins ? 'the pin' : 'the certificate'}, starts fast, and learns its rate`, async () => {
    const peer = await connect();
    assert.equal(peer.certificates, 2);
    assert.equal(await metric('malla_relay_fast_starts_total'), 1);
    assert.deepEqual(await peer.next('info'), {
      bytesPerSecond: RATE.perSecond,
      burst: RATE.burst,
    });
  });

  test(`another ${knowsPins ? 'pin' : 'authority'} is refused`, async () => {
    const other = region(relay.mapFile.replace(/sha256-raw:\w\w/, 'sha256-raw:00'));
    const peer = peerThatTrusts(undefined, 'derp', other);
    await assert.rejects(peer.start());
    await peer.end();
  });

  test('packets of every size go both ways', async () => {
    const [a, b] = [await connect(), await connect()];
    for (const [fill, bytes] of [1, 100, 1_280, 16_384, 65_536].entries()) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        from.tell(`send ${to.key} ${bytes} ${fill}`);
        assert.deepEqual(await to.next('packet'), { source: from.key, bytes, fill, intact: true });
      }
    }
  });

  test('a burst arrives whole and in order', async () => {
    const [a, b] = [await connect(), await connect()];
    for (let fill = 0; fill < 60; fill++) a.tell(`send ${b.key} 1200 ${fill}`);
    for (let fill = 0; fill < 60; fill++) {
      assert.equal((await b.next('packet'))['fill'], fill);
    }
  });

  test('pings are answered', async () => {
    const peer = await connect();
    peer.tell('ping');
    assert.deepEqual(await peer.next('pong'), { payload: '0102030405060708' });
  });

  test('it learns that a peer has left, and that one was never here', async () => {
    const [a, b] = [await connect(), await connect()];
    a.tell(`send ${b.key} 10 1`);
    await b.next('packet');
    await a.end();
    assert.deepEqual(await b.next('gone'), { peer: a.key, reason: 0 });
    b.tell(`disco ${a.key}`);
    assert.deepEqual(await b.next('gone'), { peer: a.key, reason: 1 });
  });

  test('of two clients with one key, the last to have said something gets the packets', async () => {
    const [a, first] = [await connect(), await connect()];
    const second = await connect(first.privateKey);
    assert.equal(await metric('malla_relay_duplicate_clients'), 1);
    a.tell(`send ${first.key} 10 1`);
    await second.next('packet');
    first.tell('ping');
    await first.next('pong');
    a.tell(`send ${first.key} 10 2`);
    assert.equal((await first.next('packet'))['fill'], 2);
  });

  test('its home is known', async () => {
    const peer = await connect();
    peer.tell('home');
    peer.tell('ping');
    await peer.next('pong');
    assert.equal(await metric('malla_relay_home_clients'), 1);
  });

  test('an official server of the region would learn who is here, and pass packets on', async () => {
    const [a, mesh] = [await connect(), await begin('mesh', region(), MESH_KEY.toHex())];
    const address = '127.0.0.1';
    assert.deepEqual(await mesh.next('present'), { peer: a.key, address, flags: 1 });
    assert.deepEqual(await mesh.next('present'), { peer: mesh.key, address, flags: 2 });
    const b = await connect();
    assert.deepEqual(await mesh.next('present'), { peer: b.key, address, flags: 1 });
    const elsewhere = `nodekey:${'42'.repeat(32)}`;
    mesh.tell(`forward ${elsewhere} ${a.key} 1200 9`);
    const { source, fill, intact } = await a.next('packet');
    assert.deepEqual({ source, fill, intact }, { source: elsewhere, fill: 9, intact: true });
    await b.end();
    assert.deepEqual(await mesh.next('gone'), { peer: b.key, reason: 0 });
  });

  test('a relay that stops says when to come back', async () => {
    const peer = await connect();
    // With fast start it believes itself connected before the relay knows it.
    await peer.next('info');
    const stopped = relay.stop();
    assert.deepEqual(await peer.next('restarting'), { reconnectInMs: 1_000, tryForMs: 30_000 });
    await stopped;
  });

  test('the official STUN client sees its own address', async () => {
    const peer = peerThatTrusts(undefined, 'stun', `127.0.0.1:${relay.stun?.port}`);
    const { sameId, own, seen } = await peer.next('stun');
    assert.equal(sameId, true);
    assert.equal(seen, own);
    await peer.end();
  });
});

/** The Go program: its events are read one kind at a time, others are skipped. */
class DerpPeer {
  readonly #process: ChildProcess;
  readonly #events: AsyncIterator<string>;
  key = '';
  privateKey = '';
  certificates = 0;

  constructor(program: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#process = child;
    this.#events = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when it is connected; rejects when it gives up. */
  async start(): Promise<void> {
    const connected = await this.next('connected');
    this.key = String(connected['key']);
    this.privateKey = String(connected['privateKey']);
    this.certificates = Number(connected['certificates']);
  }

  tell(command: string): void {
    this.#process.stdin?.write(`${command}\n`);
  }

  /** The facts of the next event of this kind. */
  async next(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = await this.#events.next();
      assert.ok(line.done !== true, `derppeer ended before ${event}`);
      const { event: kind, ...facts } = JSON.parse(line.value) as Record<string, unknown>;
      if (kind === event) return facts;
    }
  }

  async end(): Promise<void> {
    this.#process.stdin?.end();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await new Promise((done) => this.#process.once('exit', done));
    }
  }
}
