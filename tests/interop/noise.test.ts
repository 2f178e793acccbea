/**
 * The Noise connection against the official implementation (`client-1.102/noisepeer`) of each release, which is
 * the client to our server and the server to our client. It sends back what it reads. Needs Go and, the first
 * time, its module proxy.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, test, type TestContext } from 'node:test';
import { concat, equalBytes } from '@malla/base/bytes';
import { formatKey, keyBytes, type MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { encodeError } from '@malla/noise/frame';
import { FrameReader } from '@malla/noise/frame-reader';
import { begin, finish, respond } from '@malla/noise/handshake';
import { MAX_PLAINTEXT_BYTES, RecordOpener, RecordSealer } from '@malla/noise/record';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { describeEachVersion } from './each-version.ts';
import { skipWithout } from './needs.ts';
import { noisePeer, type OfficialVersion } from './official-binaries.ts';

const VERSION = 142;
const INITIATION_BYTES = 101;
/** Around every border: nothing, one record, two, and what TCP cuts into many chunks. */
const WRITE_BYTES = [1, 0, 16, MAX_PLAINTEXT_BYTES, MAX_PLAINTEXT_BYTES + 1, 100_000, 1_000_003];

type Chunks = AsyncIterator<Uint8Array>;

interface Connected {
  readonly socket: Socket;
  readonly chunks: Chunks;
}

describeEachVersion('Noise with the official implementation', skipWithout('go'), (release) => {
  let listener: Server;
  before(async () => {
    // Here, where a build holds up nobody who waits for an answer.
    noisePeer(release);
    listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
  });
  after(() => listener.close());

  test('its client and our server agree on keys, version and every byte', async (t) => {
    const server = newKey();
    const peer = new NoisePeer(t, release, listener, 'client', publicKey(server), VERSION);
    const { ownKey } = await peer.fact();
    const { socket, chunks } = await peer.connected;
    const responded = respond(server, newKey(), await readInitiation(chunks), nodeCrypto);
    assert.ok(responded.ok);
    assert.equal(responded.value.machineKey, ownKey);
    assert.equal(responded.value.protocolVersion, VERSION);
    socket.write(responded.value.response);
    const { peerKey, version } = await peer.fact();
    assert.equal(peerKey, publicKey(server));
    assert.equal(version, VERSION);
    const { clientToServer, serverToClient } = responded.value.keys;
    await echo(
      { socket, chunks },
      new RecordSealer(serverToClient, nodeCrypto),
      new RecordOpener(clientToServer, nodeCrypto),
    );
    await peer.end();
  });

  test('our client and its server agree on keys, version and every byte', async (t) => {
    const machine = newKey();
    const peer = new NoisePeer(t, release, listener, 'server');
    const { ownKey } = await peer.fact();
    const { socket, chunks } = await peer.connected;
    const begun = begin(machine, keyBytes(ownKey as MachinePublic), newKey(), VERSION, nodeCrypto);
    assert.ok(begun.ok);
    socket.write(begun.value.initiation);
    const { frame, rest } = await readResponse(chunks);
    const keys = finish(begun.value.state, frame);
    assert.ok(keys.ok);
    assert.equal(rest.length, 0);
    const { peerKey, version } = await peer.fact();
    assert.equal(peerKey, publicKey(machine));
    assert.equal(version, VERSION);
    const { clientToServer, serverToClient } = keys.value;
    await echo(
      { socket, chunks },
      new RecordSealer(clientToServer, nodeCrypto),
      new RecordOpener(serverToClient, nodeCrypto),
    );
    await peer.end();
  });

  test('its client shows the text of our error frame', async (t) => {
    const peer = new NoisePeer(t, release, listener, 'client', publicKey(newKey()), VERSION);
    await peer.fact();
    const { socket, chunks } = await peer.connected;
    const initiation = await readInitiation(chunks);
    assert.deepEqual(respond(newKey(), newKey(), initiation, nodeCrypto), {
      ok: false,
      error: 'not-authentic',
    });
    socket.end(encodeError('this server has another key'));
    const { error } = await peer.fact();
    assert.match(String(error), /this server has another key/);
    await peer.end();
  });
});

/** The official implementation in a process of its own, which connects to our listener. */
class NoisePeer {
  readonly #process: ChildProcess;
  readonly #facts: AsyncIterator<string>;
  readonly connected: Promise<Connected>;

  constructor(
    t: TestContext,
    release: OfficialVersion,
    listener: Server,
    role: 'client' | 'server',
    ...args: readonly (string | number)[]
  ) {
    const { port } = listener.address() as AddressInfo;
    this.connected = once(listener, 'connection').then(([socket]: Socket[]) => {
      assert.ok(socket);
      return { socket, chunks: socket.iterator({ destroyOnReturn: false }) as Chunks };
    });
    // It ends when its connection does, whatever became of the test.
    t.after(() => void this.connected.then(({ socket }) => socket.destroy()));
    const address = `127.0.0.1:${port}`;
    const peer = spawn(noisePeer(release), [role, address, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = peer;
    this.#facts = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  }

  /** The next thing that it says. */
  async fact(): Promise<Record<string, unknown>> {
    return JSON.parse(await nextOf(this.#facts)) as Record<string, unknown>;
  }

  /** Closes the connection and waits until it has gone, in peace. */
  async end(): Promise<void> {
    const exited = once(this.#process, 'exit');
    (await this.connected).socket.end();
    assert.deepEqual(await exited, [0, null]);
  }
}

/** Seals writes of many sizes and expects the same bytes back. */
async function echo(
  { socket, chunks }: Connected,
  sealer: RecordSealer,
  opener: RecordOpener,
): Promise<void> {
  const writes = WRITE_BYTES.map((bytes) => randomBytes(bytes));
  const expected = concat(writes);
  for (const [i, plaintext] of writes.entries()) {
    const cut = plaintext.length >> 1;
    socket.write(
      i % 2 === 0
        ? sealer.seal(plaintext)
        : sealer.seal(plaintext.subarray(0, cut), plaintext.subarray(cut)),
    );
  }
  const pieces: Uint8Array[] = [];
  let received = 0;
  while (received < expected.length) {
    const opened = opener.open(await nextOf(chunks));
    assert.ok(opened.ok);
    for (const piece of opened.value) {
      pieces.push(piece);
      received += piece.length;
    }
  }
  assert.ok(equalBytes(concat(pieces), expected));
}

/** The initiation frame. Nothing can follow it: the client waits. */
async function readInitiation(chunks: Chunks): Promise<Uint8Array> {
  let bytes = await nextOf(chunks);
  while (bytes.length < INITIATION_BYTES) bytes = concat([bytes, await nextOf(chunks)]);
  return bytes;
}

/** The response frame, with what came after it. */
async function readResponse(chunks: Chunks): Promise<{ frame: Uint8Array; rest: Uint8Array }> {
  const reader = new FrameReader();
  for (;;) {
    reader.push(await nextOf(chunks));
    const frame = reader.next();
    assert.ok(frame.ok);
    if (frame.value !== undefined) return { frame: frame.value, rest: reader.takeRest() };
  }
}

async function nextOf<T>(items: AsyncIterator<T>): Promise<T> {
  const item = await items.next();
  assert.ok(item.done !== true, 'noisepeer has closed the connection');
  return item.value;
}

function newKey(): X25519Private {
  return importPrivate(randomBytes(32));
}

function publicKey(key: X25519Private): MachinePublic {
  return formatKey('mkey', key.publicBytes);
}
