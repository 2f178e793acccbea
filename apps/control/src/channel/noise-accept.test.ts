import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { after, afterEach, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { decodeError } from '@malla/noise/frame';
import { begin, finish } from '@malla/noise/handshake';
import { RecordOpener, RecordSealer } from '@malla/noise/record';
import { Budget, type Lease } from '@malla/platform/budget/budget';
import { RateBudget } from '@malla/platform/budget/rate-budget';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { MachineClient } from '@malla/testkit/machine-client';
import { WebSocket } from 'ws';
import { createBudgets } from '../budgets.ts';
import { machinesOf } from '../machine/requests.ts';
import { TestMachines } from '../testing/machine.ts';
import { serveByNode } from './inner-node.ts';
import { serveByOwn } from './inner-own.ts';
import { NoiseAcceptor } from './noise-accept.ts';

const UPGRADE = 'tailscale-control-protocol';
/** What a client of HTTP/2 begins with: a magic, and empty SETTINGS. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';

const newKey = (): X25519Private => importPrivate(randomBytes(32));

/** The base64 of an initiation, as a client of that version sends it. */
function initiation(server: X25519Private, version = 142): string {
  const begun = begin(newKey(), server.publicBytes, newKey(), version, nodeCrypto);
  assert.ok(begun.ok);
  return Buffer.from(begun.value.initiation).toString('base64');
}

/** Sends text, and gives all that comes until the server ends the connection. */
async function exchange(port: number, text: string): Promise<Buffer> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  const chunks: Uint8Array[] = [];
  socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  socket.write(text);
  await once(socket, 'end');
  socket.destroy();
  return Buffer.concat(chunks);
}

function upgrade(fields: Readonly<Record<string, string>>, line = 'POST /ts2021'): string {
  const headers = { Host: 'x', Connection: 'upgrade', Upgrade: UPGRADE, ...fields };
  const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}`);
  return [`${line} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** The text of the error frame that a handshake is answered with. */
async function whyRefused(port: number, handshake: string): Promise<string> {
  const answer = await exchange(port, upgrade({ 'X-Tailscale-Handshake': handshake }));
  const frame = decodeError(answer.subarray(answer.indexOf('\r\n\r\n') + 4));
  return frame.ok ? frame.value : frame.error;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

for (const [name, serveInner] of [
  ['our HTTP/2', serveByOwn],
  ['node:http2', serveByNode],
] as const) {
  describe(`/ts2021 over ${name}`, () => {
    const staticKey = newKey();
    const budgets = createBudgets(silentLogger, () => performance.now(), { waitingLogins: 100 });
    let lease: Lease | undefined;
    let machines: TestMachines;
    let key: string;
    let server: http.Server;
    let acceptor: NoiseAcceptor;
    let port: number;
    const clients: MachineClient[] = [];

    before(async () => {
      machines = await TestMachines.start();
      key = await machines.key(await machines.user('alice'));
      acceptor = new NoiseAcceptor({
        machines: machinesOf(machines.tailnet.machine),
        staticKey,
        random: randomBytes,
        serveInner,
        aead: nodeCrypto,
        budgets,
        log: silentLogger,
      });
      const publicKey = formatKey('mkey', staticKey.publicBytes);
      server = http.createServer((_request, response) =>
        response.end(JSON.stringify({ publicKey })),
      );
      server.on('upgrade', (request: http.IncomingMessage, socket, head: Uint8Array) =>
        acceptor.accept(request, socket, head, '127.0.0.1', lease),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    });
    after(async () => {
      acceptor.close();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.close();
      await connections(0);
    });

    async function connect(): Promise<MachineClient> {
      const client = new MachineClient({ url: `http://127.0.0.1:${port}`, hostname: 'host' });
      clients.push(client);
      await client.connect();
      return client;
    }

    const connections = (count: number): Promise<void> =>
      until(() => acceptor.connectionCount === count);

    test('an upgrade that is none of ours is answered 400 and ended', async () => {
      const handshake = { 'X-Tailscale-Handshake': initiation(staticKey) };
      for (const text of [
        upgrade({}),
        upgrade({ 'X-Tailscale-Handshake': '' }),
        upgrade({ 'X-Tailscale-Handshake': 'A'.repeat(300) }),
        upgrade({ ...handshake, Upgrade: 'h2c' }),
        upgrade(handshake, 'GET /ts2021'),
        upgrade({ ...handshake, Upgrade: 'websocket' }, 'GET /ts2021'),
      ]) {
        assert.match((await exchange(port, text)).toString(), /^HTTP\/1\.1 400 Bad Request\r\n/);
      }
      assert.equal(acceptor.connectionCount, 0);
    });

    test('a handshake for another key, or of a client that is too old, is told why', async () => {
      assert.match(await whyRefused(port, initiation(newKey())), /has its key changed/);
      assert.match(
        await whyRefused(port, initiation(staticKey, 112)),
        /unsupported client version.*1\.80/,
      );
      assert.match(await whyRefused(port, 'AAAA'), /does not fit/);
    });

    test('a refused client that does not go is cut off', async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const gone = new Promise<void>((resolve) => {
        server.once('connection', (socket: net.Socket) => socket.once('close', () => resolve()));
      });
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.write(upgrade({}));
      socket.resume();
      await once(socket, 'end');
      t.mock.timers.tick(2_000);
      await gone;
      socket.destroy();
    });

    test('a machine’s connection is a stranger’s until it asks something as a node', async () => {
      const limits = { total: 10, each: 10 };
      const open = new Budget({ name: 'connections', strangers: limits, known: limits });
      lease = open.take('127.0.0.1', 1);
      const client = await connect();
      assert.equal((await client.request('GET', '/machine/whoami', undefined)).status, 200);
      assert.deepEqual([open.strangers.used, open.known.used], [1, 0]);
      await client.register({ authKey: key });
      assert.equal((await client.request('GET', '/machine/whoami', undefined)).status, 200);
      assert.deepEqual([open.strangers.used, open.known.used], [0, 1]);
      lease = undefined;
    });

    test('a newcomer that has become a node owes the strangers of its address nothing', async () => {
      const { handshakes } = budgets;
      const forEver = new RateBudget({
        name: 'handshakes',
        purse: 'strangers',
        total: { burst: 2, perSecond: 0 },
        each: { burst: 2, perSecond: 0 },
      });
      Object.assign(budgets, { handshakes: forEver });
      for (let newcomer = 0; newcomer < 5; newcomer++) {
        const client = await connect();
        await client.request('GET', '/machine/whoami', undefined);
        assert.equal(forEver.used(0), 1);
        await client.register({ authKey: key });
        assert.equal(forEver.used(0), 0);
      }
      Object.assign(budgets, { handshakes });
    });

    test('a stranger pays for its records and requests beside their bytes, a node does not', async (t) => {
      const spend = t.mock.method(budgets.strangerBytes, 'spend');
      const spent = (): number =>
        spend.mock.calls.reduce((sum, { arguments: [, , bytes] }) => sum + bytes, 0);
      const client = await connect();
      await client.request('GET', '/machine/whoami', undefined);
      assert.ok(spent() >= (2 << 10) + 256, `${spent()}`);
      assert.equal(spent() % 256, 0);
      await client.register({ authKey: key });
      const asStranger = spent();
      await client.request('GET', '/machine/whoami', undefined);
      assert.equal(spent(), asStranger);
    });

    test('handshakes beyond the budget are answered 503', async () => {
      const nothing = { burst: 0, perSecond: 0 };
      const none = new RateBudget({
        name: 'none',
        purse: 'strangers',
        total: nothing,
        each: nothing,
      });
      const { handshakes, identifications } = budgets;
      Object.assign(budgets, { handshakes: none, identifications: none });
      const handshake = { 'X-Tailscale-Handshake': initiation(staticKey) };
      assert.match((await exchange(port, upgrade(handshake))).toString(), /^HTTP\/1\.1 503 /);
      Object.assign(budgets, { handshakes, identifications });
    });

    test('a connection that asks nothing is ended after 30 seconds, one with a stream is not', async () => {
      await connect();
      const waiting = await connect();
      await waiting.register({ authKey: key });
      void waiting.openMap().catch(() => {});
      await until(() => machines.tailnet.fanout.streamCount === 1);
      acceptor.closeIdle(performance.now() + 29_000);
      assert.equal(acceptor.connectionCount, 2);
      acceptor.closeIdle(performance.now() + 30_000);
      await connections(1);
      acceptor.closeIdle(performance.now() + 1e9);
      assert.equal(acceptor.connectionCount, 1);
    });

    test('a connection whose requests are over is ended after two minutes and a half', async () => {
      const client = await connect();
      await client.register({ authKey: key });
      acceptor.closeIdle(performance.now() + 149_000);
      assert.equal(acceptor.connectionCount, 1);
      acceptor.closeIdle(performance.now() + 151_000);
      await connections(0);
    });

    test('a body is as long as its request may be, and a stranger’s shorter than a node’s', async () => {
      const client = await connect();
      const send = (path: string, bytes: number): Promise<string> =>
        client.beginRequest('POST', path, new Uint8Array(bytes));
      const tooLong = /^413 closed 0$/;
      assert.match(await send('/machine/map', (64 << 10) + 1), tooLong);
      assert.match(await send('/machine/c2n/x', (4 << 10) + 1), tooLong);
      const fits = 'x'.repeat((64 << 10) - 2);
      assert.equal((await client.request('POST', '/machine/map', fits)).status, 400);
      await client.register({ authKey: key });
      assert.match(await send('/machine/register', (128 << 10) + 1), tooLong);
      assert.equal((await client.request('POST', '/machine/map', fits + fits)).status, 400);
      assert.match(await send('/machine/c2n/x', (16 << 10) + 1), tooLong);
    });

    test('an answer that is waited for may be long', async () => {
      const client = await connect();
      await client.register({ authKey: key });
      const open = client.openMap();
      await until(() => machines.tailnet.fanout.streamCount === 1);
      await machines.pass(1_000);
      await open;
      const node = machines.tailnet.ledger.state.nodeByKey(client.nodeKey);
      const asked = machines.tailnet.c2n.request(node?.id ?? 0, 'GET', '/echo', '');
      await machines.pass(1_000);
      await client.until(({ pings }) => pings.length > 0);
      const path = new URL(String(client.netmap.pings[0]?.['URL'])).pathname;
      const long = 'x'.repeat(900_000);
      assert.equal((await client.request('POST', path, long)).status, 200);
      assert.equal((await asked).length, long.length + 2);
    });

    test('a request that does not go on is ended after 30 seconds, whatever came before', async () => {
      const client = await connect();
      assert.equal((await client.request('GET', '/machine/whoami', undefined)).status, 200);
      const unfinished = client.beginRequest('POST', '/machine/map', new Uint8Array(1_000));
      await until(() => budgets.bodies.strangers.used >= 1_000);
      acceptor.closeIdle(performance.now() + 29_000);
      assert.equal(acceptor.connectionCount, 1);
      acceptor.closeIdle(performance.now() + 31_000);
      await unfinished;
      await connections(0);
      assert.equal(budgets.bodies.strangers.used, 0);
    });

    test('half-sent bodies of strangers are given up for others, those of nodes are not', async () => {
      const { bodies } = budgets;
      const limits = { total: 100 << 10, each: 100 << 10 };
      const small = new Budget({ name: 'bodies', strangers: limits, known: limits });
      Object.assign(budgets, { bodies: small });
      const half = new Uint8Array(40 << 10);
      const node = await connect();
      await node.register({ authKey: key });
      const kept = node.beginRequest('POST', '/machine/map', half);
      await until(() => small.known.used >= half.length);
      const strangers = [await connect(), await connect(), await connect()];
      const ends: Promise<string>[] = [];
      for (const [nth, stranger] of strangers.entries()) {
        ends.push(stranger.beginRequest('POST', '/machine/map', half));
        await until(() => small.strangers.used >= half.length * Math.min(nth + 1, 2));
      }
      await ends[0];
      await connections(3);
      assert.equal((await node.request('GET', '/machine/whoami', undefined)).status, 200);
      node.close();
      await kept;
      Object.assign(budgets, { bodies });
    });

    test('a browser’s WebSocket carries the same, without an early payload', async () => {
      const begun = begin(newKey(), staticKey.publicBytes, newKey(), 142, nodeCrypto);
      assert.ok(begun.ok);
      const query = encodeURIComponent(Buffer.from(begun.value.initiation).toString('base64'));
      const socket = new WebSocket(
        `ws://127.0.0.1:${port}/ts2021?X-Tailscale-Handshake=${query}`,
        [UPGRADE],
        { headers: { Origin: 'https://anywhere.example' } },
      );
      let bytes = Buffer.alloc(0);
      const arrived = async (count: number): Promise<void> => {
        while (bytes.length < count) await once(socket, 'message');
      };
      socket.on('message', (data: Buffer) => (bytes = Buffer.concat([bytes, data])));
      await arrived(51);
      assert.equal(socket.protocol, UPGRADE);
      const keys = finish(begun.value.state, bytes.subarray(0, 51));
      assert.ok(keys.ok);
      bytes = bytes.subarray(51);
      const sealer = new RecordSealer(keys.value.clientToServer, nodeCrypto);
      socket.send(sealer.seal(Buffer.from(PREFACE)));
      await arrived(1);
      const opened = new RecordOpener(keys.value.serverToClient, nodeCrypto).open(bytes);
      assert.ok(opened.ok);
      const SETTINGS = 4;
      assert.equal(Buffer.concat(opened.value)[3], SETTINGS);
      socket.ping('x');
      const [pong] = (await once(socket, 'pong')) as [Buffer];
      assert.equal(pong.toString(), 'x');
      socket.terminate();
    });

    test('a WebSocket message is counted as long as it is not whole, and has a longest length', async () => {
      const query = encodeURIComponent(initiation(staticKey));
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ts2021?X-Tailscale-Handshake=${query}`, [
        UPGRADE,
      ]);
      socket.on('error', () => {});
      const [response] = (await once(socket, 'upgrade')) as [http.IncomingMessage];
      await connections(1);
      const { strangers } = budgets.bodies;
      const usedBefore = strangers.used;
      const mask = [0, 0, 0, 0];
      response.socket.write(Uint8Array.of(0x82, 0xfe, 0x40, 0x00, ...mask, ...randomBytes(10_000)));
      await until(() => strangers.used >= usedBefore + 10_000);
      const closed = once(socket, 'close');
      // The rest of it, which is no record.
      response.socket.write(randomBytes(0x4000 - 10_000));
      await closed;
      await connections(0);
      assert.equal(strangers.used, usedBefore);

      const other = new WebSocket(
        `ws://127.0.0.1:${port}/ts2021?X-Tailscale-Handshake=${encodeURIComponent(initiation(staticKey))}`,
        [UPGRADE],
      );
      other.on('error', () => {});
      const [upgraded] = (await once(other, 'upgrade')) as [http.IncomingMessage];
      const over = once(other, 'close');
      upgraded.socket.write(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, ...mask));
      await over;
    });

    test('bytes that are no record end the connection, and nothing else', async () => {
      const other = await connect();
      const socket = net.connect({ port, host: '127.0.0.1' });
      socket.write(upgrade({ 'X-Tailscale-Handshake': initiation(staticKey) }));
      await once(socket, 'data');
      socket.resume();
      socket.write(Uint8Array.of(4, 0, 20, ...randomBytes(20)));
      await once(socket, 'close');
      await connections(1);
      assert.equal((await other.request('GET', '/machine/whoami', undefined)).status, 200);
    });
  });
}
