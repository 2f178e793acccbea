import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { Budget, type Lease } from '../budget/budget.ts';
import { HEAD_MS, REQUEST_MS, RequestGate, STALL_MS } from './request-gate.ts';
import { Turns } from './turns.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, gate: RequestGate) => void;

/** One connection to a parser of node's behind a gate, whose time is moved by hand. */
class World {
  now = 0;
  readonly gates: RequestGate[] = [];
  readonly #server: net.Server;
  readonly #clients: Socket[] = [];

  constructor(handler: Handler, bytes?: () => Lease | undefined) {
    const parser = http.createServer({ shouldUpgradeCallback: () => false });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const gate = request.socket as unknown as RequestGate;
      if (gate.begin(request, response)) handler(request, response, gate);
    };
    parser.on('request', onRequest).on('checkContinue', onRequest);
    const turns = new Turns(setImmediate);
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('data', (first: Buffer) => {
        const gate = new RequestGate({
          socket,
          first,
          address: '127.0.0.1',
          turns,
          bytes: bytes?.(),
          keepAliveMs: 1_000,
          now: () => this.now,
        });
        this.gates.push(gate);
        parser.emit('connection', gate);
      });
      socket.on('error', () => {});
    });
    worlds.push(this);
  }

  async connect(): Promise<Socket> {
    if (!this.#server.listening) {
      this.#server.listen(0, '127.0.0.1');
      await once(this.#server, 'listening');
    }
    const { port } = this.#server.address() as AddressInfo;
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.on('error', () => {});
    this.#clients.push(client);
    await once(client, 'connect');
    return client;
  }

  /** Sends text, in pieces, and gives all that comes until the server ends the connection. */
  async exchange(...pieces: (string | Uint8Array)[]): Promise<string> {
    const client = await this.connect();
    client.setNoDelay(true);
    const answer = everything(client);
    for (const piece of pieces) {
      await new Promise((resolve) => client.write(piece, resolve));
      await new Promise(setImmediate);
    }
    return await answer;
  }

  stop(): void {
    for (const client of this.#clients) client.destroy();
    this.#server.close();
  }
}

const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.stop();
});

async function everything(client: Socket): Promise<string> {
  const chunks: Uint8Array[] = [];
  client.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  await Promise.race([once(client, 'end'), once(client, 'close')]);
  client.end();
  return Buffer.concat(chunks).toString();
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const LAST = 'Connection: close\r\n';

/** Each character as a chunk. */
function inChunks(text: string): string {
  return `${text
    .split('')
    .map((char) => `1\r\n${char}\r\n`)
    .join('')}0\r\n\r\n`;
}

/** The bodies of answers in a row. */
function bodies(text: string): string[] {
  return text.split(/HTTP\/1\.1 \d+ [^]*?\r\n\r\n/).slice(1);
}

describe('a gate', () => {
  test('lets the next request through when the answer to the last is out', async () => {
    const begun: string[] = [];
    const waiting: ServerResponse[] = [];
    const world = new World((request, response) => {
      begun.push(request.url ?? '');
      waiting.push(response);
    });
    const answer = world.exchange(get('/a') + get('/b') + get('/c', LAST));
    for (const path of ['/a', '/b', '/c']) {
      while (waiting.length === 0) await new Promise(setImmediate);
      // However long it takes.
      for (let round = 0; round < 20; round++) await new Promise(setImmediate);
      assert.equal(begun.at(-1), path);
      assert.equal(waiting.length, 1);
      waiting.pop()?.end(path);
    }
    assert.deepEqual(bodies(await answer), ['/a', '/b', '/c']);
  });

  test('has other connections served between the requests of one', async () => {
    const served: string[] = [];
    const world = new World((request, response) => {
      served.push(request.url ?? '');
      response.end('x');
    });
    const single = await world.connect();
    const flood = await world.connect();
    flood.resume();
    flood.write(get('/flood').repeat(500));
    while (served.length < 10) await new Promise(setImmediate);
    single.write(get('/single', LAST));
    await everything(single);
    const before = served.indexOf('/single');
    assert.ok(before < 250, `after ${before} of 500`);
  });

  test('begins no request as long as the answers before it are not read', async () => {
    const bytes = 1 << 20;
    let begun = 0;
    const world = new World((_request, response) => {
      begun++;
      response.end(Buffer.alloc(bytes, 'a'));
    });
    const client = await world.connect();
    client.write(get('/').repeat(99) + get('/', LAST));
    let before = -1;
    // Until what the system takes for the client is full.
    while (before !== begun) {
      before = begun;
      for (let round = 0; round < 200; round++) await new Promise(setImmediate);
    }
    assert.ok(begun < 30, `${begun} of 100 begun`);
    assert.ok((world.gates[0]?.writableLength ?? 0) <= 2 * bytes);
    const text = await everything(client);
    assert.equal(bodies(text).length, 100);
    assert.ok(bodies(text).every((body) => body.length === bytes));
    assert.equal(begun, 100);
  });

  test('finds the same requests wherever the bytes are cut, with bodies of any kind', async () => {
    const stream = [
      get('/1'),
      `\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab\r\n\r\nGET`,
      get('/3'),
      `POST /4 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${inChunks('c\r\n\r\nd')}`,
      `POST /5 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nxyz\r\n0\r\nT: 1\r\n\r\n`,
      `POST /6 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`,
      get('/7', LAST),
    ].join('');
    const expected = ['/1 ', '/2 ab\r\n\r\nGET', '/3 ', '/4 c\r\n\r\nd', '/5 xyz', '/6 ', '/7 '];
    const world = new World((request, response) => {
      void bodyOf(request).then((body) => response.end(`${request.url} ${body}`));
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(stream.length), { maxLength: 8 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        const pieces = at.slice(1).map((end, index) => stream.slice(at[index], end));
        assert.deepEqual(bodies(await world.exchange(...pieces)), expected);
      }),
      { numRuns: 60 },
    );
  });

  test('reads no body that nobody asks for, and ends the connection behind the answer', async () => {
    const world = new World((_request, response) => response.end('no'));
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n';
    const answer = await world.exchange(head, Buffer.alloc(999_000));
    assert.deepEqual(bodies(answer), ['no']);
  });

  test('lets a body in as fast as it is read', async () => {
    const bytes = 8 << 20;
    const read = Promise.withResolvers<void>();
    const world = new World((request, response) => {
      void read.promise.then(async () => response.end(String((await bodyOf(request)).length)));
    });
    const client = await world.connect();
    const answer = everything(client);
    client.write(`POST / HTTP/1.1\r\nHost: x\r\n${LAST}Content-Length: ${bytes}\r\n\r\n`);
    client.write(Buffer.alloc(bytes));
    for (let round = 0; round < 200; round++) await new Promise(setImmediate);
    assert.ok(client.writableLength > 0, 'all of it was taken though nobody reads');
    read.resolve();
    assert.deepEqual(bodies(await answer), [String(bytes)]);
  });

  test('hands over the connection with every byte behind the request', async () => {
    const world = new World((_request, _response, gate) => {
      const { socket, head } = gate.takeOver();
      socket.write(`101 ${head.toString()}|`);
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
      socket.on('end', () => socket.end());
      socket.resume();
    });
    const client = await world.connect();
    const answer = everything(client);
    client.write(`${get('/up')}${get('/behind')}`);
    await once(client, 'data');
    client.write('and later');
    client.end();
    assert.equal(await answer, `101 ${get('/behind')}|and later`);
  });

  test('hands over a connection on which requests were answered before', async () => {
    const world = new World((request, response, gate) => {
      if (request.url !== '/up') return void response.end('plain');
      const { socket, head } = gate.takeOver();
      socket.end(`taken ${head.toString()}`);
      socket.resume();
    });
    const answer = await world.exchange(`${get('/a')}${get('/b')}${get('/up')}rest`);
    assert.equal(bodies(answer).at(-1), 'plaintaken rest');
  });

  test('answers a client that sends no more after its request, and then is over', async () => {
    const world = new World((request, response) => {
      void bodyOf(request).then((body) => response.end(body));
    });
    const client = await world.connect();
    const answer = everything(client);
    client.end('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi');
    assert.deepEqual(bodies(await answer), ['hi']);
  });

  test('is over, without a word, when the client breaks off', async () => {
    let aborted = 0;
    const world = new World((request) => {
      request.on('error', () => aborted++).resume();
    });
    const client = await world.connect();
    client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi');
    while (world.gates.length === 0) await new Promise(setImmediate);
    client.end();
    client.resume();
    await once(client, 'close');
    assert.equal(aborted, 1);
  });
});

/** Sends `text`, and moves the time when the gate has seen it. */
async function after(ms: number, text: string, handler: Handler): Promise<string> {
  const world = new World(handler);
  const client = await world.connect();
  client.write(text);
  while (world.gates.length === 0) await new Promise(setImmediate);
  for (let round = 0; round < 10; round++) await new Promise(setImmediate);
  world.now = ms - 1;
  world.gates[0]?.expire(world.now);
  assert.equal(client.readableEnded, false);
  const answer = everything(client);
  world.now = ms;
  world.gates[0]?.expire(world.now);
  return await answer;
}

describe('a deadline', () => {
  test('ends the wait for the rest of a head: 408', async () => {
    const answer = await after(HEAD_MS, 'GET / HTTP/1.1\r\nHost: x\r\n', () => assert.fail());
    assert.match(answer, /^HTTP\/1\.1 408 /);
  });

  test('ends the wait for the rest of a body: 408', async () => {
    const text = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi';
    assert.match(await after(REQUEST_MS, text, (request) => request.resume()), /^HTTP\/1\.1 408 /);
  });

  test('ends the wait for the next request', async () => {
    const answer = await after(1_000, get('/'), (_request, response) => response.end('x'));
    assert.deepEqual(bodies(answer), ['x']);
  });

  test('ends the wait for an answer to be read, not for it to be made', async () => {
    const world = new World((_request, response) => response.end(Buffer.alloc(64 << 20)));
    const client = await world.connect();
    client.write(get('/'));
    while ((world.gates[0]?.writableLength ?? 0) === 0) await new Promise(setImmediate);
    for (let round = 0; round < 200; round++) await new Promise(setImmediate);
    world.now = STALL_MS;
    world.gates[0]?.expire(world.now);
    assert.equal(world.gates[0]?.destroyed, true);
    const slow = new World(() => {});
    const patient = await slow.connect();
    patient.write(get('/'));
    while (slow.gates.length === 0) await new Promise(setImmediate);
    for (let round = 0; round < 10; round++) await new Promise(setImmediate);
    slow.gates[0]?.expire(10 * STALL_MS);
    assert.equal(slow.gates[0]?.destroyed, false);
  });
});

describe('what is kept for later', () => {
  const limits = { total: 64 << 10, each: 64 << 10 };

  test('is paid for, and given back', async () => {
    const budget = new Budget({ name: 'bodies', strangers: limits, known: limits });
    const gate = Promise.withResolvers<void>();
    const world = new World(
      (_request, response) => void gate.promise.then(() => response.end('x')),
      () => budget.take('192.0.2.1', 0),
    );
    const answer = world.exchange(get('/').repeat(500) + get('/', LAST));
    while (budget.strangers.used === 0) await new Promise(setImmediate);
    assert.ok(budget.strangers.used > 10_000);
    gate.resolve();
    assert.equal(bodies(await answer).length, 501);
    assert.equal(budget.strangers.used, 0);
  });

  test('ends the connection where it cannot be paid for', async () => {
    const budget = new Budget({ name: 'bodies', strangers: limits, known: limits });
    const other = budget.take('192.0.2.1', 60 << 10);
    const world = new World(
      () => {},
      () => budget.take('192.0.2.1', 0),
    );
    assert.equal(await world.exchange(get('/').repeat(500)), '');
    assert.equal(budget.strangers.used, other?.amount);
  });
});
