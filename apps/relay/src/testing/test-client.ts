/**
 * A DERP client for tests: speaks to a relay over a real socket and hands out the frames it gets, one
 * at a time and in order.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { clamp, type X25519Private } from '@malla/keys/x25519';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { FRAME_HEADER_BYTES, FrameType } from '@malla/wire/derp/frame';
import {
  type ClientInfo,
  decodeServerInfo,
  decodeServerKey,
  encodeClientInfo,
  type ServerInfo,
} from '@malla/wire/derp/handshake';
import { decodeAddressed, encodeSendPacket } from '@malla/wire/derp/packet';
import { FrameSplitter } from '@malla/wire/derp/splitter';

export interface TestFrame {
  readonly type: number;
  readonly body: Uint8Array;
}

/** An X25519 key that is always the same for the same number. */
export function testKey(seed: number): X25519Private {
  return importPrivate(clamp(new Uint8Array(32).fill(seed)));
}

/** The longest a test waits for a frame: a failure, not a pace. */
const WAIT_MS = 5_000;

export class TestClient {
  readonly key: X25519Private;
  readonly stream: Duplex;
  readonly #frames: TestFrame[] = [];
  readonly #splitter = new FrameSplitter(
    () => 1 << 20,
    (bytes, start, end) => {
      const frame = new Uint8Array(bytes.subarray(start, end));
      this.#frames.push({ type: frame[0] ?? 0, body: frame.subarray(FRAME_HEADER_BYTES) });
      this.#wake?.();
      return true;
    },
  );
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(key: X25519Private, stream: Duplex) {
    this.key = key;
    this.stream = stream;
    stream.on('error', () => {});
    stream.once('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  get publicKey(): Uint8Array {
    return this.key.publicBytes;
  }

  /** Connects over TCP with an HTTP upgrade and performs the handshake. */
  static async connect(
    port: number,
    key: X25519Private,
    info: Partial<ClientInfo> = {},
  ): Promise<TestClient> {
    const client = new TestClient(key, connect(port, '127.0.0.1'));
    client.upgrade();
    assert.match(await client.readHttpHead(), /^HTTP\/1\.1 101 /);
    await client.handshake(info);
    return client;
  }

  /** Asks for the upgrade to DERP. */
  upgrade(headers = ''): void {
    this.stream.write(
      `GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n${headers}\r\n`,
    );
  }

  /** Reads an HTTP response up to its empty line; what follows is frames. */
  async readHttpHead(): Promise<string> {
    let text = '';
    const closed = new AbortController();
    this.stream.once('close', () => closed.abort());
    for (;;) {
      const [chunk] = (await once(this.stream, 'data', { signal: closed.signal })) as [Buffer];
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) continue;
      this.readFrames(Buffer.from(text.slice(end + 4), 'latin1'));
      return text.slice(0, end);
    }
  }

  /** From now on everything is frames. */
  readFrames(head: Buffer = Buffer.alloc(0)): void {
    this.#splitter.push(head);
    this.stream.on('data', (chunk: Buffer) => this.#splitter.push(chunk));
  }

  /**
   * Learns the server's key, says who this is, sends `early` right behind, and reads what the server
   * says about itself.
   */
  async handshake(
    info: Partial<ClientInfo> = {},
    early: Uint8Array = new Uint8Array(0),
  ): Promise<ServerInfo> {
    const hello = decodeServerKey(await this.body(FrameType.serverKey));
    assert.ok(hello.ok);
    const greeting = { version: 2, canAckPings: true, isProber: false, ...info };
    const nonce = crypto.getRandomValues(new Uint8Array(24));
    this.send(encodeClientInfo(this.key, hello.value, nonce, greeting), early);
    const body = await this.body(FrameType.serverInfo);
    const decoded = decodeServerInfo(this.key, hello.value, body);
    assert.ok(decoded.ok);
    return decoded.value;
  }

  send(...frames: readonly Uint8Array[]): void {
    this.stream.write(Buffer.concat(frames));
  }

  sendPacket(to: TestClient | Uint8Array, packet: Uint8Array): void {
    this.send(encodeSendPacket(to instanceof TestClient ? to.publicKey : to, packet));
  }

  /** The next frame; undefined when the connection is over. */
  async frame(): Promise<TestFrame | undefined> {
    const deadline = AbortSignal.timeout(WAIT_MS);
    while (this.#frames.length === 0 && !this.#closed) {
      deadline.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    return this.#frames.shift();
  }

  /** The body of the next frame, which must be of this type. */
  async body(type: number): Promise<Uint8Array> {
    const frame = await this.frame();
    assert.equal(frame?.type, type, 'type of the next frame');
    return frame?.body ?? new Uint8Array(0);
  }

  /** The next frame, which must be a packet. */
  async packet(): Promise<{ from: string; packet: string }> {
    const decoded = decodeAddressed(await this.body(FrameType.recvPacket));
    assert.ok(decoded.ok);
    return { from: decoded.value.peer.toHex(), packet: decoded.value.packet.toHex() };
  }

  /** Resolves when the connection is over; frames before that are dropped. */
  async closed(): Promise<void> {
    while ((await this.frame()) !== undefined);
  }

  close(): void {
    this.stream.destroy();
  }
}

/** The port a server listens on. */
export function portOf(server: Server): number {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
