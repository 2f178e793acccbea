import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { encodeFrame, FrameType } from '@malla/wire/derp/frame';
import {
  decodePeerGone,
  decodePeerPresent,
  decodeRestarting,
  encodeClosePeer,
  encodeNotePreferred,
  encodePing,
  encodeWatchConns,
  GoneReason,
} from '@malla/wire/derp/notice';
import { encodeForwardPacket, encodeSendPacket } from '@malla/wire/derp/packet';
import { DerpUpgrade } from './http/upgrade.ts';
import { MIN_BURST_BYTES, type RelayOptions, RelayServer } from './server.ts';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { portOf, TestClient, testKey } from './testing/test-client.ts';

const MESH_KEY = new Uint8Array(32).fill(0x77);
const EIGHT = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const [A, B, C, D] = [testKey(1), testKey(2), testKey(3), testKey(4)];

/** Resolves when the relay has read all that the client sent before. */
async function settle(client: TestClient): Promise<void> {
  client.send(encodePing(EIGHT));
  await client.body(FrameType.pong);
}

describe('relay server', () => {
  let http: Server;
  let clock: HandClock;
  let relay: RelayServer;
  const clients: TestClient[] = [];

  before(async () => {
    http = createServer().listen(0, '127.0.0.1');
    await once(http, 'listening');
  });
  after(() => http.close());
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    http.removeAllListeners('upgrade');
  });

  function start(options: Partial<RelayOptions> = {}): void {
    clock = new HandClock();
    relay = new RelayServer({
      key: testKey(99),
      random: (bytes) => Uint8Array.from(randomBytes(bytes)),
      clock,
      log: silentLogger,
      admit: () => true,
      maxConnections: 100,
      meshKey: MESH_KEY,
      ...options,
    });
    const upgrade = new DerpUpgrade({ relay, directReads: true });
    http.on('upgrade', (request, socket, head) => upgrade.onUpgrade(request, socket, head));
  }

  async function join(...args: [key: typeof A, info?: object]): Promise<TestClient> {
    const client = await TestClient.connect(portOf(http), ...args);
    clients.push(client);
    return client;
  }

  /** A client that has said nothing yet. */
  async function upgradeOnly(): Promise<TestClient> {
    const client = new TestClient(A, connect(portOf(http), '127.0.0.1'));
    clients.push(client);
    client.upgrade();
    await client.readHttpHead();
    return client;
  }

  test('a packet comes out with its source in place of its destination', async () => {
    start();
    const [a, b] = [await join(A), await join(B)];
    a.sendPacket(b, Uint8Array.of(1, 2, 3));
    assert.deepEqual(await b.packet(), { from: a.publicKey.toHex(), packet: '010203' });
  });

  test('packets of every size arrive in order', async () => {
    start();
    const [a, b] = [await join(A), await join(B)];
    const sizes = [0, 1, 1200, 65_536, 7, 16_384];
    for (const [i, size] of sizes.entries()) a.sendPacket(b, new Uint8Array(size).fill(i));
    for (const [i, size] of sizes.entries()) {
      const { packet } = await b.packet();
      assert.ok(packet === new Uint8Array(size).fill(i).toHex(), `packet ${i}`);
    }
  });

  test('packets that came together go where each is addressed to, in order', async () => {
    start();
    const [a, b, c] = [await join(A), await join(B), await join(C)];
    const to = [b, b, c, b, c, c, c, b];
    a.send(...to.map((peer, i) => encodeSendPacket(peer.publicKey, new Uint8Array(1200).fill(i))));
    for (const [i, peer] of to.entries()) {
      assert.equal((await peer.packet()).packet.slice(0, 2), `0${i}`);
    }
  });

  test('a packet to who has just left is not sent to whom the last one went', async () => {
    start();
    const [a, b] = [await join(A), await join(B)];
    a.sendPacket(b, EIGHT);
    await b.packet();
    b.close();
    while (relay.counters.clients > 1) await settle(a);
    a.sendPacket(b, EIGHT);
    await settle(a);
    assert.equal(relay.counters.dropped['unknown-peer'], 1);
  });

  test('a ping is answered with its first 8 bytes', async () => {
    start();
    const a = await join(A);
    a.send(encodeFrame(FrameType.ping, EIGHT, Uint8Array.of(9, 9)));
    assert.deepEqual(await a.body(FrameType.pong), EIGHT);
  });

  test('of pings that come at once, one is answered', async () => {
    start();
    const a = await join(A);
    a.send(...Array.from({ length: 50 }, () => encodePing(EIGHT)));
    await a.body(FrameType.pong);
    await settle(a);
    assert.equal(relay.counters.pings, 51);
  });

  test('who sends disco to a peer that is not here is told so, three times at once', async () => {
    start();
    const a = await join(A);
    const disco = new Uint8Array(80);
    disco.set(Uint8Array.fromHex('5453f09f92ac'));
    for (let i = 0; i < 5; i++) a.sendPacket(B.publicBytes, disco);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(decodePeerGone(await a.body(FrameType.peerGone)), {
        ok: true,
        value: { peer: B.publicBytes, reason: GoneReason.notHere },
      });
    }
    await settle(a);
    clock.advance(1000);
    a.sendPacket(B.publicBytes, disco);
    await a.body(FrameType.peerGone);
  });

  test('any other packet to a peer that is not here is dropped without a word', async () => {
    start();
    const a = await join(A);
    a.sendPacket(B.publicBytes, new Uint8Array(80));
    await settle(a);
    assert.equal(relay.counters.dropped['unknown-peer'], 1);
  });

  test('those to whom a peer has sent something learn that it is gone, others do not', async () => {
    start();
    const [a, b, c] = [await join(A), await join(B), await join(C)];
    a.sendPacket(b, EIGHT);
    c.sendPacket(a, EIGHT);
    await b.packet();
    await a.packet();
    a.close();
    assert.deepEqual(decodePeerGone(await b.body(FrameType.peerGone)), {
      ok: true,
      value: { peer: a.publicKey, reason: GoneReason.disconnected },
    });
    await settle(c);
  });

  test('of two connections with one key, the last to send gets the packets', async () => {
    start();
    const sender = await join(A);
    const [first, second] = [await join(B), await join(B)];
    assert.equal(relay.counters.duplicateClients, 1);
    sender.sendPacket(first, Uint8Array.of(1));
    assert.equal((await second.packet()).packet, '01');
    await settle(first);
    sender.sendPacket(first, Uint8Array.of(2));
    assert.equal((await first.packet()).packet, '02');
    first.sendPacket(sender, EIGHT);
    await sender.packet();
    first.close();
    await once(first.stream, 'close');
    await settle(second);
    sender.sendPacket(second, Uint8Array.of(3));
    assert.equal((await second.packet()).packet, '03');
    assert.equal(relay.counters.duplicateClients, 0);
  });

  test('what a client sends while its admission is decided is passed on after it', async () => {
    const { promise: verdict, resolve } = Promise.withResolvers<boolean>();
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    start({
      admit(node) {
        if (!node.endsWith(A.publicBytes.toHex())) return true;
        onAsked();
        return verdict;
      },
    });
    const b = await join(B);
    const a = await upgradeOnly();
    const packets = [0, 1, 2].map((n) => encodeSendPacket(b.publicKey, Uint8Array.of(n)));
    const joining = a.handshake({}, packets[0]);
    await asked;
    a.send(...packets.slice(1));
    resolve(true);
    await joining;
    for (let n = 0; n < 3; n++) assert.equal((await b.packet()).packet, `0${n}`);
  });

  test('a client that is not admitted is disconnected', async () => {
    start({ admit: () => false });
    await assert.rejects(join(A));
    assert.equal(relay.counters.closed['not-admitted'], 1);
    assert.equal(relay.counters.connections, 0);
  });

  test('an admission check that fails admits nobody', async () => {
    start({ admit: () => Promise.reject(new Error('away')) });
    await assert.rejects(join(A));
    assert.equal(relay.counters.closed['not-admitted'], 1);
  });

  test('admission is asked for the proven key and the address of the client', async () => {
    const asked: string[] = [];
    start({
      admit(node, source) {
        asked.push(node, source);
        return true;
      },
    });
    await join(A);
    assert.deepEqual(asked, [`nodekey:${A.publicBytes.toHex()}`, '127.0.0.1']);
  });

  test('who says nothing for 10 s is disconnected', async () => {
    start();
    const client = await upgradeOnly();
    await client.body(FrameType.serverKey);
    clock.advance(9_400);
    assert.equal(relay.counters.connections, 1);
    clock.advance(1_000);
    await client.closed();
    assert.equal(relay.counters.closed['handshake-timeout'], 1);
  });

  test('a first frame that is no client info ends the connection', async () => {
    start();
    const client = await upgradeOnly();
    client.send(encodePing(EIGHT));
    await client.closed();
    assert.equal(relay.counters.closed.protocol, 1);
  });

  test('keep-alives come every 60 to 65 s', async () => {
    start();
    const a = await join(A);
    clock.advance(59_500);
    await settle(a);
    clock.advance(6_000);
    await a.body(FrameType.keepAlive);
  });

  test('who may not stay is disconnected at the next keep-alive, and mesh peers stay', async () => {
    const asked: string[] = [];
    start({
      mayStay(node) {
        asked.push(node);
        return !node.endsWith(A.publicBytes.toHex());
      },
    });
    const [a, again, b, peer] = [
      await join(A),
      await join(A),
      await join(B),
      await join(C, { meshKey: MESH_KEY }),
    ];
    assert.deepEqual(asked, []);
    clock.advance(65_500);
    await Promise.all([a.closed(), again.closed()]);
    for (const client of [b, peer]) await client.body(FrameType.keepAlive);
    // Each at a time of its own.
    assert.deepEqual(
      new Set(asked),
      new Set([A, B].map(({ publicBytes }) => `nodekey:${publicBytes.toHex()}`)),
    );
    assert.equal(asked.length, 3);
    assert.equal(relay.counters.closed['not-admitted'], 2);
  });

  test('a frame of an unknown type is skipped', async () => {
    start();
    const a = await join(A);
    a.send(encodeFrame(0x7f as FrameType, new Uint8Array(100_000)));
    await settle(a);
  });

  test('frames of mesh peers from a client that is none end the connection', async () => {
    start();
    for (const frame of [
      encodeWatchConns(),
      encodeClosePeer(B.publicBytes),
      encodeForwardPacket(B.publicBytes, C.publicBytes, EIGHT),
    ]) {
      const a = await join(A);
      a.send(frame);
      await a.closed();
    }
    assert.equal(relay.counters.closed.protocol, 3);
  });

  test('a wrong mesh key is refused', async () => {
    start();
    await assert.rejects(join(A, { meshKey: new Uint8Array(32) }));
    assert.equal(relay.counters.closed['not-admitted'], 1);
  });

  test('a mesh peer learns who is here, who comes and who leaves', async () => {
    start();
    const a = await join(A);
    const mesh = await join(D, { meshKey: MESH_KEY });
    mesh.send(encodeWatchConns());
    const present = async (): Promise<[string, number]> => {
      const decoded = decodePeerPresent(await mesh.body(FrameType.peerPresent));
      assert.ok(decoded.ok);
      return [decoded.value.peer.toHex(), decoded.value.flags];
    };
    assert.deepEqual(await present(), [a.publicKey.toHex(), 1]);
    assert.deepEqual(await present(), [D.publicBytes.toHex(), 2]);
    const b = await join(B, { isProber: true });
    assert.deepEqual(await present(), [b.publicKey.toHex(), 4]);
    a.close();
    assert.deepEqual(decodePeerGone(await mesh.body(FrameType.peerGone)), {
      ok: true,
      value: { peer: a.publicKey, reason: GoneReason.disconnected },
    });
  });

  test('a mesh peer learns of more clients than one buffer holds', async () => {
    start({ maxConnections: 2000 });
    const all = await Promise.all(
      Array.from({ length: 600 }, (_, i) => {
        const raw = new Uint8Array(32).fill(5);
        raw[1] = i >> 8;
        raw[2] = i;
        return join(importPrivate(raw));
      }),
    );
    const mesh = await join(D, { meshKey: MESH_KEY });
    mesh.send(encodeWatchConns());
    const seen = new Set<string>();
    while (seen.size <= all.length) {
      const decoded = decodePeerPresent(await mesh.body(FrameType.peerPresent));
      if (decoded.ok) seen.add(decoded.value.peer.toHex());
    }
  });

  test('a forwarded packet is delivered with its first source', async () => {
    start();
    const [b, mesh] = [await join(B), await join(D, { meshKey: MESH_KEY })];
    mesh.send(encodeForwardPacket(A.publicBytes, b.publicKey, Uint8Array.of(7)));
    assert.deepEqual(await b.packet(), { from: A.publicBytes.toHex(), packet: '07' });
  });

  test('a mesh peer may disconnect a client', async () => {
    start();
    const [b, mesh] = [await join(B), await join(D, { meshKey: MESH_KEY })];
    mesh.send(encodeClosePeer(b.publicKey));
    await b.closed();
    assert.equal(relay.counters.closed['by-mesh-peer'], 1);
  });

  test('a client that reads nothing loses old packets, then its connection', async () => {
    start();
    const [a, b] = [await join(A), await join(B)];
    b.stream.pause();
    const packet = new Uint8Array(60_000);
    while (relay.counters.dropped['queue-full'] === 0) {
      a.send(encodeSendPacket(b.publicKey, packet), encodeSendPacket(b.publicKey, packet));
      await settle(a);
    }
    clock.advance(1_500);
    assert.equal(relay.counters.clients, 2);
    clock.advance(1_000);
    assert.equal(relay.counters.closed.slow, 1);
    assert.equal(relay.counters.clients, 1);
    assert.equal(relay.waitingBytes, 0);
  });

  test('a client is told its rate, and made to wait when it is over it', async () => {
    const rate = { perSecond: 1_000_000, burst: MIN_BURST_BYTES };
    start({ rate });
    const [a, b] = [await join(A), await join(B)];
    const packet = new Uint8Array(40_000);
    for (let i = 0; i < 3; i++) a.sendPacket(b, packet);
    await b.packet();
    await b.packet();
    await settle(b);
    assert.equal(relay.counters.rateLimited, 1);
    a.sendPacket(b, EIGHT);
    clock.advance(1_000);
    await b.packet();
    assert.equal((await b.packet()).packet, EIGHT.toHex());
  });

  test('the server info carries the rate', async () => {
    start({ rate: { perSecond: 1e6, burst: 2e6 } });
    const client = await upgradeOnly();
    assert.deepEqual(await client.handshake(), {
      version: 2,
      tokenBucketBytesPerSecond: 1e6,
      tokenBucketBytesBurst: 2e6,
    });
  });

  test('more connections than allowed are closed at once', async () => {
    start({ maxConnections: 1 });
    await join(A);
    await assert.rejects(join(B));
    assert.equal(relay.counters.closed['too-many'], 1);
  });

  test('when all places are taken, who has been greeting for longest makes room', async () => {
    start({ maxConnections: 3 });
    const a = await join(A);
    const [first, second] = [await upgradeOnly(), await upgradeOnly()];
    const b = await join(B);
    await first.closed();
    const c = await join(C);
    await second.closed();
    await assert.rejects(join(D));
    assert.equal(relay.counters.closed['too-many'], 3);
    for (const client of [a, b, c]) await settle(client);
    assert.equal(relay.counters.connections, 3);
  });

  test('who waits to be admitted makes room too, and is not admitted after that', async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<boolean>();
    const keyOfA = formatKey('nodekey', A.publicBytes);
    const admit = (node: string): boolean | Promise<boolean> => {
      if (node !== keyOfA) return true;
      asked.resolve();
      return answer.promise;
    };
    start({ maxConnections: 1, admit });
    const refused = assert.rejects(join(A));
    await asked.promise;
    const b = await join(B);
    await refused;
    answer.resolve(true);
    await settle(b);
    assert.deepEqual([relay.counters.clients, relay.counters.connections], [1, 1]);
  });

  test('home clients are counted while they are connected', async () => {
    start();
    const a = await join(A);
    a.send(encodeNotePreferred(true), encodeNotePreferred(true));
    await settle(a);
    assert.equal(relay.counters.homeClients, 1);
    a.send(encodeNotePreferred(false));
    await settle(a);
    assert.equal(relay.counters.homeClients, 0);
    a.send(encodeNotePreferred(true));
    await settle(a);
    relay.closePeer(a.publicKey, 0);
    assert.equal(relay.counters.homeClients, 0);
  });

  test('a health problem is shown to clients, present and to come, until it is over', async () => {
    start();
    const a = await join(A);
    relay.setHealth('no route');
    assert.equal(Buffer.from(await a.body(FrameType.health)).toString(), 'no route');
    const b = await join(B);
    assert.equal(Buffer.from(await b.body(FrameType.health)).toString(), 'no route');
    relay.setHealth('');
    assert.equal((await a.body(FrameType.health)).length, 0);
  });

  test('a relay that stops says when to come back, and closes all connections', async () => {
    start();
    const a = await join(A);
    const stopped = relay.stop({ reconnectInMs: 500, tryForMs: 60_000 });
    assert.deepEqual(decodeRestarting(await a.body(FrameType.restarting)), {
      ok: true,
      value: { reconnectInMs: 500, tryForMs: 60_000 },
    });
    await a.closed();
    await stopped;
    assert.equal(relay.counters.closed.stopping, 1);
    await assert.rejects(join(B));
  });

  test('a client that does not hang up is cut off a second after the farewell', async () => {
    start();
    const a = await join(A);
    a.stream.pause();
    const stopped = relay.stop({ reconnectInMs: 0, tryForMs: 0 });
    clock.advance(1_000);
    await stopped;
    assert.equal(relay.counters.connections, 0);
  });
});
