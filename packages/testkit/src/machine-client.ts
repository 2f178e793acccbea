/**
 * A client of the control protocol for tests: connects as official clients do (upgrade, Noise, HTTP/2),
 * registers, holds a map stream, sends lite updates. It has no tunnel. Its netmap is a ClientNetmap.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import {
  type DiscoPublic,
  formatKey,
  keyBytes,
  type MachinePublic,
  type NodePublic,
} from '@malla/keys/key';
import { importPrivate, type X25519Private } from '@malla/keys/x25519';
import { begin, finish, type RecordKeys } from '@malla/noise/handshake';
import { decodeError } from '@malla/noise/frame';
import { RecordOpener, RecordSealer } from '@malla/noise/record';
import { createWebSocketStream, WebSocket } from 'ws';
import { ClientNetmap, type Json, MapMessageReader } from './client-netmap.ts';
import { decompressFrames } from './zstd.ts';

const RESPONSE_FRAME_BYTES = 51;
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
  hostinfo: Record<string, unknown> = {};
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
    const answer = await get(`${url}/key?v=${capVersion}`, headers);
    const { publicKey } = JSON.parse(answer) as { publicKey: MachinePublic };
    const begun = begin(this.machine, keyBytes(publicKey), newKey(), capVersion);
    if (!begun.ok) throw new Error(begun.error);
    const { socket, head } =
      transport === 'websocket'
        ? await openWebSocket(url, begun.value.initiation)
        : await upgrade(url, begun.value.initiation, headers);
    const { frame, rest } = await readResponse(socket, head);
    const keys = finish(begun.value.state, frame);
    if (!keys.ok) {
      const refusal = decodeError(frame);
      throw new Error(refusal.ok ? refusal.value : `handshake: ${keys.error}`);
    }
    const channel = new ClientChannel(socket, keys.value, rest);
    this.#session = http2.connect('https://control', { createConnection: () => channel });
    this.#session.on('error', () => {});
  }

  /** A request over the connection; the answer's status and body. */
  async request(
    method: string,
    path: string,
    body: unknown,
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
    const answer = await this.request(
      'POST',
      '/machine/register',
      {
        Version: this.options.capVersion ?? 142,
        NodeKey: this.nodeKey,
        OldNodeKey: this.oldNodeKey ?? formatKey('nodekey', new Uint8Array(32)),
        Expiry: options.expiry ?? '0001-01-01T00:00:00Z',
        Followup: options.followup ?? '',
        Hostinfo: this.#hostinfo(),
        ...(options.ephemeral === true ? { Ephemeral: true } : {}),
        ...(options.authKey === undefined ? {} : { Auth: { AuthKey: options.authKey } }),
      },
      options.signal,
    );
    if (answer.status !== 200) throw new Error(`register: ${answer.status} ${answer.body}`);
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
    const stream = this.#open('POST', '/machine/map', {
      ...this.#mapRequest([]),
      Stream: true,
      KeepAlive: true,
    });
    this.#stream = stream;
    const reader = new MapMessageReader(
      this.options.compress === '' ? (bytes) => bytes : decompressFrames,
    );
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
    const body = { ...this.#mapRequest([]), Stream: true, KeepAlive: true };
    const stream = (this.#stream = this.#open('POST', '/machine/map', body));
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
    const hostinfo = this.#hostinfo();
    const answer = await this.request('POST', '/machine/map', {
      ...this.#mapRequest(endpoints),
      Hostinfo: { ...hostinfo, NetInfo: { PreferredDERP: homeDerp, WorkingUDP: true } },
      OmitPeers: true,
    });
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
            `${this.options.hostname} did not come to believe it within ${limitMs} ms; it believes ${JSON.stringify([...this.netmap.peers.values()].map((peer) => [peer['Name'], peer['Online']]))}`,
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

  #open(method: string, path: string, body: unknown): http2.ClientHttp2Stream {
    const stream = this.#begin(method, path);
    stream.end(body === undefined ? undefined : JSON.stringify(body));
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

  #mapRequest(endpoints: readonly string[]): Record<string, unknown> {
    return {
      Version: this.options.capVersion ?? 142,
      Compress: this.options.compress ?? 'zstd',
      NodeKey: this.nodeKey,
      DiscoKey: this.discoKey,
      Hostinfo: this.#hostinfo(),
      Endpoints: endpoints,
    };
  }

  #hostinfo(): Record<string, unknown> {
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
    'X-Tailscale-Handshake': Buffer.from(initiation).toString('base64'),
  });
  const webSocket = new WebSocket(
    `${url.replace(/^http/, 'ws')}/ts2021?${query.toString()}`,
    'tailscale-control-protocol',
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
      Upgrade: 'tailscale-control-protocol',
      Connection: 'upgrade',
      'X-Tailscale-Handshake': Buffer.from(initiation).toString('base64'),
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

async function readResponse(
  socket: Duplex,
  head: Uint8Array,
): Promise<{ frame: Uint8Array; rest: Uint8Array }> {
  let bytes = Buffer.from(head);
  while (bytes.length < RESPONSE_FRAME_BYTES) {
    const chunk = await new Promise<Buffer>((resolve, reject) => {
      socket.once('data', (data: Buffer) => {
        // At once: the next may be there already.
        socket.pause();
        resolve(data);
      });
      socket.once('close', () => reject(new Error('the server closed the connection')));
      socket.resume();
    });
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes[0] === 3 && bytes.length >= 3 + bytes.readUInt16BE(1))
      return { frame: bytes, rest: NOTHING };
  }
  if (bytes[0] === 3) return { frame: bytes, rest: NOTHING };
  return {
    frame: bytes.subarray(0, RESPONSE_FRAME_BYTES),
    rest: bytes.subarray(RESPONSE_FRAME_BYTES),
  };
}

/** The client's end of the Noise channel, past the early payload. */
class ClientChannel extends Duplex {
  readonly #socket: Duplex;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  #early: Buffer | undefined = Buffer.alloc(0);

  constructor(socket: Duplex, keys: RecordKeys, rest: Uint8Array) {
    super();
    this.#socket = socket;
    this.#sealer = new RecordSealer(keys.clientToServer);
    this.#opener = new RecordOpener(keys.serverToClient);
    socket.on('data', (chunk: Uint8Array) => this.#received(chunk));
    socket.on('close', () => this.destroy());
    this.#received(rest);
    socket.resume();
  }

  override _read(): void {}

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(this.#sealer.seal(chunk), () => done());
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(null);
  }

  #received(chunk: Uint8Array): void {
    const opened = this.#opener.open(chunk);
    if (!opened.ok) {
      this.destroy(new Error(`noise: ${opened.error}`));
      return;
    }
    for (const piece of opened.value) this.#pass(piece);
  }

  /** Skips `FF FF FF TS`, a length and that many bytes, if the stream begins so. */
  #pass(piece: Uint8Array): void {
    if (this.#early === undefined) {
      this.push(piece);
      return;
    }
    this.#early = Buffer.concat([this.#early, piece]);
    if (this.#early.length < 9) return;
    let skip = 0;
    if (this.#early.subarray(0, 5).toString('hex') === 'ffffff5453') {
      skip = 9 + this.#early.readUInt32BE(5);
      if (this.#early.length < skip) return;
    }
    const rest = this.#early.subarray(skip);
    this.#early = undefined;
    if (rest.length > 0) this.push(rest);
  }
}
