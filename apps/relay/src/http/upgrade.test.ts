import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { FrameType } from '@malla/wire/derp/frame';
import { createWebSocketStream, WebSocket } from 'ws';
import { systemClock } from '@malla/platform/clock';
import { RelayServer } from '../server.ts';
import { portOf, TestClient, testKey } from '../testing/test-client.ts';
import { DerpUpgrade } from './upgrade.ts';

const [A, B] = [testKey(1), testKey(2)];

describe('DERP upgrade', () => {
  let http: Server;
  let relay: RelayServer;
  const sources: string[] = [];
  const clients: TestClient[] = [];

  before(async () => {
    relay = new RelayServer({
      key: testKey(99),
      random: (bytes) => Uint8Array.from(randomBytes(bytes)),
      clock: systemClock,
      log: silentLogger,
      admit(_node, source) {
        sources.push(source);
        return true;
      },
      maxConnections: 100,
    });
    const upgrade = new DerpUpgrade({ relay, directReads: true, sourceOf });
    http = createServer().on('upgrade', (request, socket, head) => {
      upgrade.onUpgrade(request, socket, head);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    sources.length = 0;
  });
  after(async () => {
    http.close();
    await relay.stop({ reconnectInMs: 0, tryForMs: 0 });
  });

  /** A client that has connected, but asked for nothing yet. */
  function open(): TestClient {
    const client = new TestClient(A, connect(portOf(http), '127.0.0.1'));
    clients.push(client);
    return client;
  }

  test('the response names version and key, and the first frame is in the same write', async () => {
    const client = open();
    client.upgrade();
    const [chunk] = (await once(client.stream, 'data')) as [Buffer];
    const [head = '', rest = ''] = chunk.toString('latin1').split('\r\n\r\n', 2);
    assert.deepEqual(head.split('\r\n'), [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: DERP',
      'Connection: Upgrade',
      'Derp-Version: 2',
      `Derp-Public-Key: ${testKey(99).publicBytes.toHex()}`,
    ]);
    assert.equal(rest.charCodeAt(0), FrameType.serverKey);
  });

  test('with fast start there is no response, only frames', async () => {
    const client = open();
    client.readFrames();
    client.upgrade('Derp-Fast-Start: 1\r\n');
    await client.handshake();
  });

  test('a client that says websocket without the subprotocol means DERP', async () => {
    const client = open();
    client.send(
      Buffer.from(
        'GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n',
      ),
    );
    assert.match(await client.readHttpHead(), / 101 /);
    await client.handshake();
  });

  test('a WebSocket with the subprotocol carries the same stream', async () => {
    const other = open();
    other.upgrade();
    await other.readHttpHead();
    await other.handshake();
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(http)}/derp`, 'derp');
    const client = new TestClient(B, createWebSocketStream(socket));
    clients.push(client);
    client.readFrames();
    await client.handshake();
    assert.equal(socket.protocol, 'derp');
    client.sendPacket(other, Uint8Array.of(1, 2));
    assert.equal((await other.packet()).packet, '0102');
    for (let i = 0; i < 50; i++) other.sendPacket(client, new Uint8Array(20_000).fill(i));
    for (let i = 0; i < 2; i++) await client.packet();
  });

  test('a WebSocket brings messages that official clients take, whatever the size of a packet', async () => {
    const sender = open();
    sender.upgrade();
    await sender.readHttpHead();
    await sender.handshake();
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(http)}/derp`, 'derp');
    const lengths: number[] = [];
    socket.on('message', (data: Buffer) => lengths.push(data.length));
    const client = new TestClient(B, createWebSocketStream(socket));
    clients.push(client);
    client.readFrames();
    await client.handshake();
    sender.sendPacket(client, new Uint8Array(65_536).fill(7));
    assert.equal((await client.packet()).packet, '07'.repeat(65_536));
    assert.equal(Math.max(...lengths), 32_768);
  });

  test('a text message ends a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(http)}/derp`, 'derp');
    await once(socket, 'open');
    socket.send('hello');
    await once(socket, 'close');
  });

  test('another upgrade, or another method, is refused', async () => {
    for (const line of [
      'GET /derp HTTP/1.1\r\nUpgrade: h2c',
      'PUT /derp HTTP/1.1\r\nUpgrade: DERP',
      'POST /derp HTTP/1.1\r\nUpgrade: websocket',
    ]) {
      const client = open();
      client.send(
        Buffer.from(`${line}\r\nHost: x\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n`),
      );
      assert.match(await client.readHttpHead(), /^HTTP\/1\.1 426 /);
      await client.closed();
    }
  });

  test('POST asks for DERP as well as GET', async () => {
    const client = open();
    const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n';
    client.send(Buffer.from(`POST /derp HTTP/1.1\r\n${upgrade}`));
    assert.match(await client.readHttpHead(), /^HTTP\/1\.1 101 /);
  });

  test('the source is the one that the listener knows', async () => {
    const client = open();
    client.upgrade('X-Real-From: 192.0.2.7\r\n');
    await client.readHttpHead();
    await client.handshake();
    assert.deepEqual(sources, ['192.0.2.7']);
  });
});

function sourceOf(request: IncomingMessage): { address: string; port: number } {
  return { address: String(request.headers['x-real-from']), port: 1 };
}
