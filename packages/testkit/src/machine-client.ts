/**
 * A client of the control protocol for tests: connects as official clients do (upgrade, Noise, HTTP/2),
 * registers, holds a map stream, sends lite updates. It has no tunnel. Its netmap is a ClientNetmap.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { utf8 } from '@malla/base/bytes';
import { ControlChannel, HANDSHAKE_FIELD, UPGRADE_TOKEN } from '@malla/control-client/channel';
import { type DiscoPublic, formatKey, type MachinePublic, type NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import { timeOf } from '@malla/wire/tailcfg/json';
import { encodeMapRequest, type MapRequest } from '@malla/wire/tailcfg/map-request';
import { decodeRegisterResponse, encodeRegisterRequest } from '@malla/wire/tailcfg/register';
import { decodeServerKey } from '@malla/wire/ts2021/server-key';
import { createWebSocketStream, WebSocket } from 'ws';
import { ClientNetmap, type Json, MapMessageReader } from './client-netmap.ts';
import { NoiseStream } from '@malla/node/control/noise-stream';

/** What official clients take as one WebSocket message. */
const MAX_MESSAGE_BYTES = 32_768;
const NOTHING = new Uint8Array();

export interface MachineClientOptions {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly hostname: string;
  /** Default 142, client 1.102. */
  readonly capVersion?: number;
  readonly compress?: 'zstd' | '';
  /** Default: the native upgrade. `websocket` is what clients in browsers use. */
  readonly transport?: 'native' | 'websocket';
  /** Further headers of its HTTP requests, as a proxy adds them; native only. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RegisterOptions {
  readonly authKey?: string;
  readonly followup?: string;
  readonly ephemeral?: boolean;
  readonly expiry?: string;
  readonly signal?: AbortSignal;
}

/** One device. Keys may be replaced, to log in anew. */
export class MachineClient {
  readonly options: MachineClientOptions;
  machine: X25519Private = newKey();
  node: X25519Private = newKey();
  disco: X25519Private = newKey();
  oldNodeKey: NodePublic | undefined;
  netmap = new ClientNetmap();
  /** Why the map stream ended, once it has. */
  ended: Promise<string> | undefined;
  hostinfo: Hostinfo = {};
  #session: http2.ClientHttp2Session | undefined;
  #stream: http2.ClientHttp2Stream | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(options: MachineClientOptions) {
    this.options = options;
  }

  get nodeKey(): NodePublic {
    return formatKey('nodekey', this.node.publicBytes);
  }
  get machineKey(): MachinePublic {
    return formatKey('mkey', this.machine.publicBytes);
  }
  get discoKey(): DiscoPublic {
    return formatKey('discokey', this.disco.publicBytes);
  }

  /** Opens the Noise connection. */
  async connect(): Promise<void> {
    const { url, capVersion = 142, transport, headers = {} } = this.options;
    const server = decodeServerKey(utf8(await get(`${url}/key?v=${capVersion}`, headers)));
    if (!server.ok) throw new Error(`key: ${server.error}`);
    const begun = ControlChannel.begin({
      machine: this.machine,
      server: server.value,
      ephemeral: newKey(),
      crypto: nodeCrypto,
      capVersion,
    });
    if (!begun.ok) throw new Error(begun.error);
    const channel = begun.value;
    const { socket, head } =
      transport === 'websocket'
        ? await openWebSocket(url, channel.initiation)
        : await upgrade(url, channel.initiation, headers);
    const stream = await openStream(channel, socket, head);
    this.#session = http2.connect('https://control', { createConnection: () => stream });
    this.#session.on('error', () => {});
  }

  /** A request over the connection; the answer's status and body. */
  async request(
    method: string,
    path: string,
    body: unknown,
    signal?: AbortSignal,
  ): Promise<{ status: number; body: string }> {
    return await this.#send(method, path, JSON.stringify(body), signal);
  }

  async #send(
    method: string,
    path: string,
    body: string | undefined,
    signal?: AbortSignal,
  ): Promise<{ status: number; body: string }> {
    const stream = this.#open(method, path, body);
    signal?.addEventListener('abort', () => stream.close(http2.constants.NGHTTP2_CANCEL));
    return await new Promise((resolve, reject) => {
      let status = 0;
      const chunks: Uint8Array[] = [];
      stream.on('response', (headers) => (status = Number(headers[':status'])));
      stream.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      stream.on('end', () => resolve({ status, body: Buffer.concat(chunks).toString() }));
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('closed')));
    });
  }

  /** Sends a RegisterRequest; the decoded answer. */
  async register(options: RegisterOptions = {}): Promise<Json> {
    const answer = await this.#send(
      'POST',
      '/machine/register',
      encodeRegisterRequest({
        version: this.options.capVersion ?? 142,
        nodeKey: this.nodeKey,
        oldNodeKey: this.oldNodeKey,
        authKey: options.authKey ?? '',
        expiry: timeOf(options.expiry),
        followup: options.followup ?? '',
        ephemeral: options.ephemeral ?? false,
        hostinfo: this.#hostinfo(),
      }),
      options.signal,
    );
    if (answer.status !== 200) throw new Error(`register: ${answer.status} ${answer.body}`);
    assert.ok(decodeRegisterResponse(utf8(answer.body)).ok, 'a client must understand the answer');
    return JSON.parse(answer.body) as Json;
  }

  /** Makes a new node key, as a client does to log in anew. */
  rotateNodeKey(): void {
    this.oldNodeKey = this.nodeKey;
    this.node = newKey();
  }

  /** Opens the map stream; resolves with its first message taken. */
  async openMap(): Promise<void> {
    const netmap = (this.netmap = new ClientNetmap());
    const request = { ...this.#mapRequest([]), stream: true, keepAlive: true };
    const stream = this.#open('POST', '/machine/map', encodeMapRequest(request));
    this.#stream = stream;
    const reader = new MapMessageReader(this.options.compress === '' ? 'plain' : 'zstd');
    this.ended = new Promise((resolve) => {
      stream.on('error', () => {});
      stream.on('close', () => resolve(`closed ${stream.rstCode}`));
    });
    await new Promise<void>((resolve, reject) => {
      stream.on('response', (headers) => {
        if (headers[':status'] !== 200) reject(new Error(`map: ${String(headers[':status'])}`));
      });
      stream.on('close', () => reject(new Error('the map stream closed')));
      stream.on('data', (chunk: Uint8Array) => {
        for (const message of reader.read(chunk)) netmap.apply(message);
        for (const watcher of this.#watchers) watcher();
        if (netmap.self !== undefined) resolve();
      });
    });
  }

  /** Opens the map stream and throws away what comes, undecoded; resolves with the first message. */
  async drainMap(): Promise<void> {
    const request = { ...this.#mapRequest([]), stream: true, keepAlive: true };
    const stream = this.#open('POST', '/machine/map', encodeMapRequest(request));
    this.#stream = stream;
    await new Promise<void>((resolve, reject) => {
      let missing = 4;
      let header = Buffer.alloc(0);
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('the map stream closed')));
      stream.on('data', (chunk: Uint8Array) => {
        if (header.length < 4) {
          header = Buffer.concat([header, chunk.subarray(0, 4 - header.length)]);
          if (header.length === 4) missing += header.readUInt32LE(0);
        }
        missing -= chunk.length;
        if (header.length === 4 && missing <= 0) resolve();
      });
    });
  }

  /** Ends the map stream, as a client that goes away does. */
  closeMap(): void {
    this.#stream?.close(http2.constants.NGHTTP2_CANCEL);
  }

  /** Sends a lite update. */
  async report(endpoints: readonly string[], homeDerp = 999): Promise<number> {
    const NetInfo = { PreferredDERP: homeDerp, WorkingUDP: true };
    const request = {
      ...this.#mapRequest(endpoints),
      hostinfo: { ...this.#hostinfo(), NetInfo },
      omitPeers: true,
    };
    const answer = await this.#send('POST', '/machine/map', encodeMapRequest(request));
    return answer.status;
  }

  /** Resolves when the netmap satisfies the condition; rejects after `limitMs`. */
  async until(condition: (netmap: ClientNetmap) => boolean, limitMs = 5_000): Promise<void> {
    if (condition(this.netmap)) return;
    await new Promise<void>((resolve, reject) => {
      const watcher = (): void => {
        if (!condition(this.netmap)) return;
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(watcher);
        reject(
          new Error(
            `${this.options.hostname} did not come to believe it within ${limitMs} ms; it believes ${JSON.stringify([...this.netmap.peers.values()].map((peer) => [peer.Name, peer.Online]))}`,
          ),
        );
      }, limitMs);
      this.#watchers.add(watcher);
    });
  }

  close(): void {
    this.#session?.destroy();
  }

  /** Begins a request and sends a part of its body; how its stream ends, `closed 0` when it was answered. */
  beginRequest(method: string, path: string, part: Uint8Array): Promise<string> {
    const stream = this.#begin(method, path);
    stream.on('error', () => {});
    stream.write(part);
    return new Promise((resolve) => {
      let status = '';
      stream.on('response', (headers) => (status = `${headers[':status']} `));
      stream.on('close', () => resolve(`${status}closed ${stream.rstCode}`));
    });
  }

  #open(method: string, path: string, body: string | undefined): http2.ClientHttp2Stream {
    const stream = this.#begin(method, path);
    stream.end(body);
    return stream;
  }

  #begin(method: string, path: string): http2.ClientHttp2Stream {
    if (this.#session === undefined) throw new Error('not connected');
    return this.#session.request({
      ':method': method,
      ':path': path,
      'content-type': 'application/json',
    });
  }

  #mapRequest(endpoints: readonly string[]): MapRequest {
    return {
      version: this.options.capVersion ?? 142,
      compress: this.options.compress ?? 'zstd',
      nodeKey: this.nodeKey,
      discoKey: this.discoKey,
      hostinfo: this.#hostinfo(),
      endpoints,
      stream: false,
      keepAlive: false,
      omitPeers: false,
      readOnly: false,
    };
  }

  #hostinfo(): Hostinfo {
    return { Hostname: this.options.hostname, OS: 'linux', GoArch: 'amd64', ...this.hostinfo };
  }
}

function newKey(): X25519Private {
  return importPrivate(randomBytes(32));
}

/** A connection past its HTTP upgrade, and what came behind the answer. */
interface Upgraded {
  readonly socket: Duplex;
  readonly head: Uint8Array;
}

async function openWebSocket(url: string, initiation: Uint8Array): Promise<Upgraded> {
  const query = new URLSearchParams({
    [HANDSHAKE_FIELD]: Buffer.from(initiation).toString('base64'),
  });
  const webSocket = new WebSocket(
    `${url.replace(/^http/, 'ws')}/ts2021?${query.toString()}`,
    UPGRADE_TOKEN,
    { perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES },
  );
  const socket = createWebSocketStream(webSocket);
  await new Promise((resolve, reject) => {
    webSocket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return { socket, head: NOTHING };
}

/** Asks on a connection of its own, as clients do that have just been started. */
async function get(url: string, headers: http.OutgoingHttpHeaders): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`${url}: ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

async function upgrade(
  url: string,
  initiation: Uint8Array,
  headers: http.OutgoingHttpHeaders,
): Promise<Upgraded> {
  const request = http.request(`${url}/ts2021`, {
    method: 'POST',
    headers: {
      ...headers,
      Upgrade: UPGRADE_TOKEN,
      Connection: 'upgrade',
      [HANDSHAKE_FIELD]: Buffer.from(initiation).toString('base64'),
    },
  });
  return await new Promise((resolve, reject) => {
    request.on('upgrade', (_response, socket, head) => {
      socket.on('error', () => {});
      resolve({ socket, head });
    });
    request.on('response', (response) => reject(new Error(`ts2021: ${response.statusCode}`)));
    request.on('error', reject);
    request.end();
  });
}

/** The stream, once the server has proved its key. */
async function openStream(
  channel: ControlChannel,
  socket: Duplex,
  head: Uint8Array,
): Promise<NoiseStream> {
  const stream = new NoiseStream(channel, socket, head);
  if (!channel.isOpen) {
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve());
      stream.once('error', reject);
      stream.once('close', () => reject(new Error('the server closed the connection')));
      socket.resume();
    });
  }
  stream.on('error', () => {});
  return stream;
}
