/**
 * For tests of what clients speak: a whole tailnet in virtual time over a store in memory, and devices
 * that send it requests as the HTTP inside Noise would hand them over.
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { type Logger, silentLogger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { formatKey, type MachinePublic, type NodePublic } from '@malla/keys/key';
import type { Node } from '@malla/netmap/node';
import { ClientNetmap, type Json, MapMessageReader } from '@malla/testkit/client-netmap';
import type { MapResponse } from '@malla/wire/tailcfg/map-response';
import { decodeRegisterResponse } from '@malla/wire/tailcfg/register';
import { createBudgets } from '../budgets.ts';
import { loadConfig } from '../config/load.ts';
import { createPreAuthKey, type NewPreAuthKey } from '../core/preauth-keys.ts';
import { createUser } from '../core/users.ts';
import { serveMachine } from '../machine/requests.ts';
import type {
  AnswerStream,
  Exchange,
  InnerHttp,
  MachineConnection,
} from '../channel/inner-http.ts';
import { openMemoryStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { Tailnet } from '../tailnet.ts';
import { countingRandom } from './rows.ts';
import { settle, VirtualTime } from './virtual-time.ts';
import { operatorCommands } from '../operator-commands.ts';

export interface TestMachinesOptions {
  /** Lines of YAML, over what a test needs. */
  readonly yaml?: string;
  readonly store?: Store;
  readonly time?: VirtualTime;
  readonly random?: RandomBytes;
  readonly log?: Logger;
}

export class TestMachines {
  readonly tailnet: Tailnet;
  readonly time: VirtualTime;
  readonly #given: Required<TestMachinesOptions>;

  private constructor(tailnet: Tailnet, given: Required<TestMachinesOptions>) {
    this.tailnet = tailnet;
    this.time = given.time;
    this.#given = given;
  }

  static async start(options: TestMachinesOptions = {}): Promise<TestMachines> {
    const given = {
      yaml: '',
      store: openMemoryStore(),
      time: new VirtualTime(),
      random: countingRandom(),
      log: silentLogger,
      ...options,
    };
    const { time, random, yaml, store, log } = given;
    const text = `server_url: http://127.0.0.1:1\ndata_dir: /nowhere\n${yaml}`;
    const loaded = loadConfig({ path: '/c.yaml', env: {}, cwd: '/', readFile: () => text });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    const { config } = loaded.value;
    const world = {
      now: () => time.now,
      monotonic: () => time.now,
      random,
      after: time.after,
      compress: (json: string) => zlib.zstdCompressSync(json),
      serverUrl: config.serverUrl,
      loginLifetimeMs: config.registerCache.expirationMs,
      commands: operatorCommands('malla'),
      budgets: createBudgets(log, () => time.now, {
        waitingLogins: config.registerCache.maxEntries,
      }),
      log,
      journal: log,
    };
    const tailnet = await Tailnet.load(
      FIRST_TAILNET,
      config.tailnet,
      store,
      { Regions: {} },
      world,
    );
    return new TestMachines(tailnet, given);
  }

  /** The server stops and starts again, with what it has stored. */
  async restart(): Promise<TestMachines> {
    await this.tailnet.stop();
    return TestMachines.start(this.#given);
  }

  /** Moves the clock, a second at a time. */
  async pass(ms: number): Promise<void> {
    for (let rest = ms; rest > 0; rest -= 1_000) {
      this.time.advance(Math.min(rest, 1_000));
      await settle();
    }
    this.time.advance(0);
    await settle();
  }

  async user(name: string): Promise<number> {
    const made = await this.tailnet.ledger.execute((state, context) =>
      createUser(state, { name, displayName: '', email: '', pictureUrl: '' }, context),
    );
    return made.id;
  }

  /** The text of a new pre-auth key: reusable, unless said otherwise. */
  async key(userId: number, fields: Partial<NewPreAuthKey> = {}): Promise<string> {
    const wanted = { tags: [], reusable: true, ephemeral: false, description: '' };
    const made = await this.tailnet.ledger.execute((state, context) =>
      createPreAuthKey(state, { ...wanted, expiration: undefined, userId, ...fields }, context),
    );
    return made.text;
  }

  /** A device by number, which also makes its first keys. */
  device(number: number): TestDevice {
    return new TestDevice(this, number);
  }

  /** A device that has registered and holds a map stream. */
  async joined(number: number, authKey: string): Promise<TestDevice> {
    const device = this.device(number);
    await device.register({ Auth: { AuthKey: authKey } });
    await device.openMap();
    return device;
  }
}

export class TestDevice {
  machines: TestMachines;
  readonly machineKey: MachinePublic;
  nodeKey: NodePublic;
  oldNodeKey = formatKey('nodekey', new Uint8Array(32));
  discoKey: string;
  /** Of the connection that the device's requests come on. */
  pings = 0;
  closed = false;
  /** Of the connection. */
  address = '192.0.2.1';
  #connection: MachineConnection | undefined;
  readonly #number: number;

  constructor(machines: TestMachines, number: number) {
    this.machines = machines;
    this.#number = number;
    this.machineKey = formatKey('mkey', keyOf(number, 0));
    this.nodeKey = formatKey('nodekey', keyOf(number, 0));
    this.discoKey = formatKey('discokey', keyOf(number, 0));
  }

  /** The row of the node that has the device's key. */
  get node(): Node | undefined {
    return this.machines.tailnet.ledger.state.nodeByKey(this.nodeKey);
  }

  /** A new node key, naming the old one: what a client makes to log in anew. */
  rotate(nth = 1): void {
    this.oldNodeKey = this.nodeKey;
    this.nodeKey = formatKey('nodekey', keyOf(this.#number, nth));
  }

  /** Sends a request; what it does without waiting for time has happened when this resolves. */
  async send(method: string, path: string, body: unknown): Promise<TestExchange> {
    const exchange = this.begin(method, path, body);
    await settle();
    return exchange;
  }

  /** Sends a request, and waits for nothing. The body is bytes as they are, or else made JSON. */
  begin(method: string, path: string, body: unknown): TestExchange {
    const bytes = body instanceof Uint8Array ? body : utf8(JSON.stringify(body) ?? '');
    const exchange = new TestExchange(method, path, bytes);
    const http: InnerHttp = {
      idleSince: () => undefined,
      unfinishedSince: () => undefined,
      ping: () => Promise.resolve(++this.pings > 0),
      close: () => {
        this.closed = true;
        exchange.leave();
      },
    };
    const origin = { connection: this.#connectionFrom(this.address), http: () => http };
    void serveMachine(this.machines.tailnet.machine, origin, exchange);
    return exchange;
  }

  /** All requests come on one connection, until the device has another address. */
  #connectionFrom(remoteAddress: string): MachineConnection {
    if (this.#connection?.remoteAddress !== remoteAddress) {
      this.#connection = { machineKey: this.machineKey, protocolVersion: 142, remoteAddress };
    }
    return this.#connection;
  }

  registration(fields: Record<string, unknown> = {}): Promise<TestExchange> {
    return this.send('POST', '/machine/register', {
      Version: 142,
      NodeKey: this.nodeKey,
      OldNodeKey: this.oldNodeKey,
      Expiry: '0001-01-01T00:00:00Z',
      Followup: '',
      Hostinfo: { Hostname: `host-${this.#number}`, OS: 'linux' },
      ...fields,
    });
  }

  /** Registers, and gives the answer; it must be there at once. */
  async register(fields: Record<string, unknown> = {}): Promise<Json> {
    const exchange = await this.registration(fields);
    const { ok } = decodeRegisterResponse(utf8(exchange.body));
    assert.ok(ok, 'a client must understand the answer');
    return exchange.json();
  }

  async map(fields: Record<string, unknown>): Promise<TestExchange> {
    const exchange = this.beginMap(fields);
    await settle();
    return exchange;
  }

  beginMap(fields: Record<string, unknown>): TestExchange {
    return this.begin('POST', '/machine/map', {
      Version: 142,
      NodeKey: this.nodeKey,
      DiscoKey: this.discoKey,
      Compress: 'zstd',
      Hostinfo: { Hostname: `host-${this.#number}`, OS: 'linux' },
      ...fields,
    });
  }

  /** Opens the map stream and waits for the first map. */
  async openMap(fields: Record<string, unknown> = {}): Promise<TestExchange> {
    const exchange = await this.map({ Stream: true, ...fields });
    await this.machines.pass(1_000);
    return exchange;
  }

  /** Sends a lite update. */
  report(fields: Record<string, unknown> = {}): Promise<TestExchange> {
    return this.map({ OmitPeers: true, Endpoints: [], ...fields });
  }
}

/** A request as its client sees it. */
export class TestExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  aborted = false;
  onAborted: (() => void) | undefined;
  status: number | undefined;
  contentType = '';
  body = '';
  /** What has come on a streamed answer. */
  readonly netmap = new ClientNetmap();
  readonly messages: MapResponse[] = [];
  /** Whether the answer is complete. */
  ended = false;
  /** Takes no more bytes for now. */
  stalled = false;
  readonly #request: Uint8Array;
  #taken = false;
  #answer: AnswerStream | undefined;

  constructor(method: string, path: string, body: Uint8Array) {
    this.method = method;
    this.path = path;
    this.#request = body;
  }

  takeBody(): Uint8Array {
    assert.ok(!this.#taken, 'a body is given once');
    this.#taken = true;
    return this.#request;
  }

  respond(status: number, contentType: string, body: Uint8Array | string): void {
    if (this.status !== undefined || this.aborted) return;
    this.status = status;
    this.contentType = contentType;
    this.body = typeof body === 'string' ? body : fromUtf8(body);
    this.ended = true;
  }

  stream(contentType: string): AnswerStream {
    assert.ok(!this.aborted, 'nobody is there to stream to');
    assert.equal(this.status, undefined, 'an answer begins once');
    this.status = 200;
    this.contentType = contentType;
    const request = JSON.parse(fromUtf8(this.#request)) as Json;
    const reader = new MapMessageReader(request['Compress'] === 'zstd' ? 'zstd' : 'plain');
    this.#answer = {
      onWritable: undefined,
      onClosed: undefined,
      write: (pieces) => {
        if (this.ended) return true;
        for (const message of pieces.flatMap((piece) => reader.read(piece))) {
          this.messages.push(message);
          this.netmap.apply(message);
        }
        return !this.stalled;
      },
      end: () => {
        this.ended = true;
      },
    };
    return this.#answer;
  }

  /** The answer's JSON; it must have come, with status 200. */
  json(): Json {
    assert.equal(this.status, 200, this.body);
    return JSON.parse(this.body) as Json;
  }

  /** Takes bytes again. */
  resume(): void {
    this.stalled = false;
    this.#answer?.onWritable?.();
  }

  /** The client goes away, or its connection breaks. */
  leave(): void {
    if (this.aborted) return;
    const answered = this.status !== undefined;
    this.aborted = true;
    this.ended = true;
    if (!answered) this.onAborted?.();
    this.#answer?.onClosed?.();
  }
}

function keyOf(number: number, nth: number): Uint8Array {
  return Uint8Array.of(number, nth, ...new Uint8Array(30));
}
