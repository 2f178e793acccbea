/**
 * The client of a relay that the mesh runs and a node will (`@malla/derp-client`), against the official
 * relay. Needs Go and, the first time, its module proxy.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { DerpClient, type DerpEvent } from '@malla/derp-client/derp-client';
import { systemClock } from '@malla/platform/clock';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { Driver } from '@malla/platform/drive';
import { skipWithout } from './needs.ts';
import { officialRelay } from './official-binaries.ts';
import { until } from './until.ts';

/** As clients know disco by it: magic, a key, a nonce and some more. */
const DISCO = new Uint8Array(80);
DISCO.set([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]);

describe(
  'our relay client and the official relay',
  { skip: skipWithout('go'), timeout: 60_000 },
  () => {
    let dir: string;
    let relay: ChildProcess;
    let port: number;
    const peers: Peer[] = [];

    before(async () => {
      const program = officialRelay();
      dir = await mkdtemp(join(tmpdir(), 'malla-derper-'));
      port = await freePort();
      const plain = ['-http-port=-1', '-stun=false', '-hostname=derp.test'];
      relay = spawn(program, [`-a=127.0.0.1:${port}`, `-c=${join(dir, 'derper.json')}`, ...plain], {
        stdio: 'ignore',
      });
      await until('the relay listens', 30_000, () => isListening(port));
    });
    after(async () => {
      const ended = once(relay, 'exit');
      relay.kill();
      await ended;
      await rm(dir, { recursive: true, force: true });
    });
    afterEach(() => {
      for (const peer of peers.splice(0)) peer.close();
    });

    async function joined(): Promise<Peer> {
      const peer = await Peer.connect(port);
      peers.push(peer);
      const ready = await peer.next('ready');
      assert.equal(ready.info.version, 2);
      return peer;
    }

    test('shake hands, and pass on packets of every size', async () => {
      const [a, b] = [await joined(), await joined()];
      for (const bytes of [0, 1, 32, 1280, 65_535, 65_536]) {
        const packet = randomBytes(bytes);
        a.send(b, packet);
        const got = await b.next('packet');
        assert.deepEqual(Uint8Array.from(got.peer), a.key.publicBytes);
        assert.ok(packet.equals(got.packet), `${bytes} bytes`);
      }
    });

    test('answer pings', async () => {
      const a = await joined();
      const payload = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      a.input((client) => client.handlePing(payload));
      assert.deepEqual((await a.next('pong')).payload, payload);
      a.input((client) => client.handlePreferred(true));
      a.input((client) => client.handlePing(payload));
      await a.next('pong');
    });

    test('tell of peers that are not there, and of those that leave', async () => {
      const [a, b] = [await joined(), await joined()];
      a.sendTo(new Uint8Array(32).fill(9), DISCO);
      const absent = await a.next('peer-gone');
      assert.deepEqual([absent.reason, absent.peer], [1, new Uint8Array(32).fill(9)]);
      b.send(a, DISCO);
      await a.next('packet');
      b.close();
      const left = await a.next('peer-gone');
      assert.deepEqual([left.reason, left.peer], [0, b.key.publicBytes]);
    });
  },
);

class Peer {
  readonly key = importPrivate(randomBytes(32));
  readonly #socket: Socket;
  readonly #client: DerpClient;
  readonly #driver: Driver<DerpEvent, DerpClient>;
  readonly #events: DerpEvent[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#client = new DerpClient(systemClock.now(), { key: this.key, random });
    this.#driver = new Driver<DerpEvent, DerpClient>(this.#client, systemClock, (event) => {
      this.#events.push(event);
      this.#wake?.();
    });
    socket.on('data', (chunk: Buffer) =>
      this.input((client, now) => client.handleBytes(chunk, now)),
    );
    socket.on('close', () => this.input((client) => client.handleClose()));
    socket.on('error', () => {});
  }

  static async connect(port: number): Promise<Peer> {
    const socket = connect(port, '127.0.0.1');
    const head =
      'GET /derp HTTP/1.1\r\nHost: derp.test\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n';
    socket.write(head);
    let answer = Buffer.alloc(0);
    while (!answer.includes('\r\n\r\n')) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      socket.pause();
      answer = Buffer.concat([answer, chunk]);
      socket.resume();
    }
    const end = answer.indexOf('\r\n\r\n');
    assert.match(answer.subarray(0, end).toString(), /^HTTP\/1\.1 101 /);
    const peer = new Peer(socket);
    const frames = answer.subarray(end + 4);
    peer.input((client, now) => client.handleBytes(frames, now));
    return peer;
  }

  input(handle: (client: DerpClient, now: number) => void): void {
    this.#driver.input(handle);
    for (let frame = this.#client.pollTransmit(); frame; frame = this.#client.pollTransmit()) {
      this.#socket.write(frame);
    }
  }

  send(to: Peer, packet: Uint8Array): void {
    this.sendTo(to.key.publicBytes, packet);
  }

  sendTo(key: Uint8Array, packet: Uint8Array): void {
    this.#socket.write(this.#client.packetFrame(key, packet));
  }

  /** The next thing that happens, which must be of that kind. */
  async next<K extends DerpEvent['kind']>(kind: K): Promise<Extract<DerpEvent, { kind: K }>> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const event = this.#events.shift();
    assert.equal(event?.kind, kind, JSON.stringify(event));
    return event as Extract<DerpEvent, { kind: K }>;
  }

  close(): void {
    this.#driver.stop();
    this.#socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function random(bytes: number): Uint8Array {
  return Uint8Array.from(randomBytes(bytes));
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
