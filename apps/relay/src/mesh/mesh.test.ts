import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { type Logger, silentLogger } from '@malla/base/logger';
import { FrameType } from '@malla/wire/derp/frame';
import { systemClock } from '@malla/platform/clock';
import { BootstrapDns } from '../http/bootstrap-dns.ts';
import type { HttpServer } from '@malla/platform/http/http-server';
import { listenSmall } from '@malla/platform/http/listener';
import { standAloneRoutes } from '../http/pages.ts';
import { DerpUpgrade } from '../http/upgrade.ts';
import { RelayServer } from '../server.ts';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { TestClient, testKey } from '../testing/test-client.ts';
import { certificatePin } from '@malla/platform/tls/pin';
import { createSelfSigned } from '@malla/platform/tls/self-signed';
import { MeshClient } from './mesh-client.ts';

const MESH_KEY = new Uint8Array(32).fill(0x77);
const [A, B] = [testKey(1), testKey(2)];
const disco = new Uint8Array(80);
disco.set(Uint8Array.fromHex('5453f09f92ac'));

interface Node {
  readonly relay: RelayServer;
  readonly listener: HttpServer;
  readonly pin: string;
}

describe('mesh', () => {
  let pair: { cert: string; key: string };
  const closing: (() => Promise<void>)[] = [];
  const clients: TestClient[] = [];

  before(async () => {
    pair = await createSelfSigned('127.0.0.1');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const close of closing.splice(0).toReversed()) await close();
  });

  async function start(keySeed: number): Promise<Node> {
    const relay = new RelayServer({
      key: testKey(keySeed),
      random,
      clock: systemClock,
      log: silentLogger,
      admit: () => true,
      maxConnections: 100,
      meshKey: MESH_KEY,
    });
    const noNames = new BootstrapDns(
      () => [],
      () => Promise.resolve([]),
      systemClock,
    );
    const listener = await listenSmall({
      host: '127.0.0.1',
      port: 0,
      tls: pair,
      route: standAloneRoutes(noNames),
      upgrade: new DerpUpgrade({ relay, directReads: true }),
      maxConnections: 100,
      log: silentLogger,
    });
    closing.push(async () => {
      await relay.stop({ reconnectInMs: 0, tryForMs: 0 });
      await listener.stop();
    });
    return { relay, listener, pin: certificatePin(pair.cert) };
  }

  /** Has one server join another as its mesh client. */
  function mesh(from: Node, to: Node, options: Partial<Hooks> = {}): MeshClient {
    const { key, remotes, pool } = from.relay;
    const client = new MeshClient({
      server: {
        host: '127.0.0.1',
        port: to.listener.address.port,
        pin: options.pin ?? to.pin,
      },
      key,
      meshKey: options.meshKey ?? MESH_KEY,
      remotes,
      pool,
      clock: options.clock ?? systemClock,
      random,
      log: options.log ?? silentLogger,
    });
    closing.push(() => client.stop());
    return client;
  }

  async function join(node: Node, key: typeof A): Promise<TestClient> {
    const socket = connect({
      host: '127.0.0.1',
      port: node.listener.address.port,
      rejectUnauthorized: false,
    });
    const client = new TestClient(key, socket);
    clients.push(client);
    client.upgrade();
    await client.readHttpHead();
    await client.handshake();
    return client;
  }

  test('clients of two servers exchange packets, and learn when the other has left', async () => {
    const [one, two] = [await start(91), await start(92)];
    mesh(one, two);
    mesh(two, one);
    const [a, b] = [await join(one, A), await join(two, B)];
    await until(() => one.relay.remotes.size === 1 && two.relay.remotes.size === 1);
    a.sendPacket(b, new Uint8Array(1200).fill(1));
    assert.deepEqual(await b.packet(), { from: a.publicKey.toHex(), packet: '01'.repeat(1200) });
    b.sendPacket(a, disco);
    assert.equal((await a.packet()).from, b.publicKey.toHex());
    b.close();
    await until(() => one.relay.remotes.size === 0);
    a.sendPacket(b, disco);
    await a.body(FrameType.peerGone);
  });

  test('clients who were there before are known at once', async () => {
    const [one, two] = [await start(91), await start(92)];
    await join(two, B);
    mesh(one, two);
    await until(() => one.relay.remotes.size === 1);
  });

  test('a client who is here is not looked for elsewhere', async () => {
    const [one, two] = [await start(91), await start(92)];
    mesh(one, two);
    const [a, there, here] = [await join(one, A), await join(two, B), await join(one, B)];
    await until(() => one.relay.remotes.size === 1);
    a.sendPacket(there, disco);
    await here.packet();
    assert.equal(one.relay.counters.forwardedPacketsOut, 0);
  });

  test('a server recognises itself, and does not try again', async () => {
    const one = await start(91);
    const clock = new HandClock();
    mesh(one, one, { clock });
    await until(() => one.relay.counters.closed.left === 1);
    clock.advance(60_000);
    assert.equal(one.relay.counters.accepted, 1);
  });

  test('a lost connection is forgotten, and made again after 5 s', async () => {
    const [one, two] = [await start(91), await start(92)];
    const clock = new HandClock();
    const client = mesh(one, two, { clock });
    await join(two, B);
    await until(() => one.relay.remotes.size === 1);
    two.relay.closePeer(one.relay.key.publicBytes, 0);
    await until(() => !client.isWatching);
    assert.equal(one.relay.remotes.size, 0);
    clock.advance(5_000);
    await until(() => one.relay.remotes.size === 1);
  });

  test('a server that falls silent for 120 s is left', async () => {
    const [one, two] = [await start(91), await start(92)];
    const clock = new HandClock();
    const client = mesh(one, two, { clock });
    await until(() => client.isWatching);
    clock.advance(120_000);
    assert.equal(client.isWatching, false);
  });

  test('another pin, and another mesh key, are refused', async () => {
    const [one, two] = [await start(91), await start(92)];
    const reasons: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: ({ reason }) => void reasons.push(reason) };
    const clock = new HandClock();
    mesh(one, two, { log, clock, pin: 'sha256-raw:00' });
    await until(() => reasons.length === 1);
    mesh(one, two, { log, clock, meshKey: new Uint8Array(32) });
    await until(() => reasons.length === 2);
    assert.deepEqual(reasons, ['the certificate does not have the pin', 'connection lost']);
    assert.equal(two.relay.counters.meshPeers, 0);
  });
});

interface Hooks {
  readonly clock: HandClock;
  readonly log: Logger;
  readonly pin: string;
  readonly meshKey: Uint8Array;
}

function random(bytes: number): Uint8Array {
  return Uint8Array.from(randomBytes(bytes));
}

/** Resolves once it is so; the test's own time limit ends it otherwise. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setImmediate(done));
}
