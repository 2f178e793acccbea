/** The client of node:http2 as a peer: an implementation that is nobody's relative. */
import assert from 'node:assert/strict';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import { serveHttp2, type Http2TestApp } from '@malla/testkit/http2-driver';
import type { Http2Connection } from './connection.ts';
import { DEFAULT_LIMITS, type Http2Limits } from './limits.ts';

/** Node 24's client may fail an assertion of its own, which ends the process, on a stream of JavaScript. */
const skip =
  Number.parseInt(process.versions.node, 10) < 26 && 'needs the HTTP/2 client of Node 26';

describe('the client of node:http2', { skip, timeout: 60_000 }, () => {
  test('gets the answer to a request without a body', async () => {
    await using peer = join({ request: echo });
    const answer = await peer.send({ ':path': '/hello?x=1', 'x-one': 'eins' });
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.text), {
      method: 'GET',
      path: '/hello?x=1',
      authority: 'unused:443',
      one: 'eins',
      body: '',
    });
  });

  for (const method of ['POST', 'GET', 'PATCH']) {
    test(`sends a body with ${method}`, async () => {
      await using peer = join({ request: echo });
      const answer = await peer.send({ ':method': method, ':path': '/machine/x' }, 'a body');
      assert.equal(JSON.parse(answer.text).body, 'a body');
    });
  }

  test('sends a body that is many windows long', async () => {
    await using peer = join({
      request(connection, stream, { body }) {
        connection.respond(stream, 200, [], body);
      },
    });
    const body = pattern(1_000_000);
    for (let round = 0; round < 3; round++) {
      const answer = await peer.send({ ':method': 'POST', ':path': '/' }, body);
      assert.ok(answer.body.equals(body));
    }
  });

  test('gets a response to HEAD without its body', async () => {
    await using peer = join({
      request: (connection, stream) =>
        connection.respond(stream, 200, [['content-type', 'text/plain']], pattern(5)),
    });
    const answer = await peer.send({ ':method': 'HEAD', ':path': '/' });
    assert.equal(answer.headers['content-length'], '5');
    assert.equal(answer.body.length, 0);
  });

  test('gets 60 answers at a time, in any order', async () => {
    const held: Array<() => void> = [];
    await using peer = join({
      request(connection, stream, request) {
        held.unshift(() => echo(connection, stream, request));
        if (held.length === 60) for (const answer of held) answer();
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => peer.send({ ':path': `/${i}` }, 'x'.repeat(i * 100))),
    );
    for (const [i, { text }] of answers.entries()) {
      const { path, body } = JSON.parse(text);
      assert.deepEqual([path, body.length], [`/${i}`, i * 100]);
    }
  });

  test('makes no more requests at a time than are allowed', async () => {
    let most = 0;
    await using peer = join(
      {
        request(connection, stream) {
          most = Math.max(most, connection.openStreams);
          setImmediate(() => connection.respond(stream, 204, []));
        },
      },
      { concurrentStreams: 2 },
    );
    await peer.settled();
    const answers = await Promise.all(Array.from({ length: 9 }, () => peer.send({ ':path': '/' })));
    assert.deepEqual([new Set(answers.map(({ status }) => status)), most], [new Set([204]), 2]);
  });

  for (const window of [1, 100, 20_000, 1_000_000]) {
    test(`with a window of ${window} gets a large response whole`, async () => {
      const size = window === 1 ? 300 : window === 100 ? 20_000 : 2_000_000;
      await using peer = join(
        { request: (connection, stream) => connection.respond(stream, 200, [], pattern(size)) },
        {},
        { settings: { initialWindowSize: window } },
      );
      const answer = await peer.send({ ':path': '/' });
      assert.ok(answer.body.equals(pattern(size)));
    });
  }

  test('streams a long response with back-pressure and bounded memory', async () => {
    const chunk = pattern(10_000);
    let left = 500;
    let pauses = 0;
    const pump = (connection: Http2Connection, stream: number): void => {
      while (left > 0) {
        left--;
        if (!connection.write(stream, chunk)) return void pauses++;
      }
      connection.end(stream);
    };
    await using peer = join(
      {
        request(connection, stream) {
          connection.respond(stream, 200, []);
          pump(connection, stream);
        },
        writable: pump,
      },
      { streamOutputBytes: 30_000 },
    );
    const answer = await peer.send({ ':path': '/' });
    assert.equal(answer.body.length, 5_000_000);
    assert.ok(answer.body.subarray(-10_000).equals(chunk));
    assert.ok(pauses > 50);
  });

  test('cancels a response midway without harm to its neighbours', async () => {
    const ends: string[] = [];
    await using peer = join({
      request(connection, stream, { path }) {
        connection.respond(stream, 200, []);
        connection.write(stream, pattern(200_000));
        if (path === '/ends') connection.end(stream);
      },
      streamClosed: (_, stream, end) => ends.push(`${stream} ${end}`),
    });
    const cancelled = peer.client.request({ ':path': '/cancelled' });
    cancelled.once('data', () => cancelled.close(constants.NGHTTP2_CANCEL));
    await new Promise((resolve) => cancelled.once('close', resolve));
    const answer = await peer.send({ ':path': '/ends' });
    assert.ok(answer.body.equals(pattern(200_000)));
    assert.deepEqual(ends, ['1 reset-by-peer', '3 done']);
  });

  test('sends and gets large headers', async () => {
    const value = 'v'.repeat(12_000);
    await using peer = join(
      {
        request(connection, stream, { headers }) {
          const [, given = ''] = headers.find(([name]) => name === 'x-large') ?? [];
          connection.respond(stream, 200, [['x-back', given + given]], pattern(1));
        },
      },
      {},
      { maxHeaderListPairs: 100, settings: { maxHeaderListSize: 100_000 } },
    );
    const answer = await peer.send({ ':path': '/', 'x-large': value });
    assert.equal(answer.headers['x-back'], value + value);
  });

  test('is told 431 for headers over the limit, and goes on', async () => {
    await using peer = join({ request: echo }, { headerListBytes: 4096 });
    const answer = await peer.send({ ':path': '/', 'x-large': 'a'.repeat(4050) });
    assert.equal(answer.status, 431);
    assert.equal((await peer.send({ ':path': '/' })).status, 200);
  });

  test('is told 413 for a body over the limit, and goes on', async () => {
    await using peer = join({ request: echo }, { bodyBytes: 100_000 });
    const answer = await peer.send({ ':method': 'POST', ':path': '/' }, pattern(300_000));
    assert.equal(answer.status, 413);
    assert.equal((await peer.send({ ':path': '/' }, 'small')).status, 200);
  });

  test('gets a 100 when it expects one, and then the answer', async () => {
    await using peer = join({ request: echo });
    const request = peer.client.request({
      ':method': 'POST',
      ':path': '/',
      expect: '100-continue',
    });
    request.once('continue', () => request.end('late'));
    assert.equal(JSON.parse((await buffer(request)).toString()).body, 'late');
  });

  test('sends trailers, which are dropped', async () => {
    await using peer = join({ request: echo });
    const request = peer.client.request(
      { ':method': 'POST', ':path': '/' },
      { waitForTrailers: true },
    );
    request.on('wantTrailers', () => request.sendTrailers({ 'x-sum': '1' }));
    request.end('body');
    assert.equal(JSON.parse((await buffer(request)).toString()).body, 'body');
  });

  test('changes its window and pings while a response is open', async () => {
    await using peer = join({
      request(connection, stream) {
        connection.respond(stream, 200, [], pattern(500_000));
      },
    });
    const request = peer.client.request({ ':path': '/' });
    const body = buffer(request);
    peer.client.settings({ initialWindowSize: 10 });
    await new Promise((resolve) => peer.client.ping(resolve));
    peer.client.settings({ initialWindowSize: 100_000 });
    assert.ok((await body).equals(pattern(500_000)));
  });

  test('is told that the server leaves, after the answers in progress', async () => {
    let answer: (() => void) | undefined;
    const ends: string[] = [];
    await using peer = join({
      request(connection, stream) {
        answer = () => connection.respond(stream, 200, [], pattern(100_000));
        connection.goAway();
      },
      closed: ({ why }) => ends.push(why),
    });
    const goAway = new Promise((resolve) => peer.client.once('goaway', resolve));
    const body = peer.send({ ':path': '/' });
    assert.equal(await goAway, constants.NGHTTP2_NO_ERROR);
    answer?.();
    assert.equal((await body).body.length, 100_000);
    assert.deepEqual(ends, ['']);
  });
});

/** A client session joined to our server by memory. */
function join(
  app: Http2TestApp,
  limits: Partial<Http2Limits> = {},
  options: Parameters<typeof connect>[1] = {},
): AsyncDisposable & {
  client: ClientHttp2Session;
  send(headers: Record<string, string>, body?: string | Uint8Array): Promise<Answer>;
  settled(): Promise<unknown>;
} {
  const [ours, theirs] = duplexPair();
  serveHttp2(ours, app, { ...DEFAULT_LIMITS, ...limits });
  const client = connect('https://unused', { ...options, createConnection: () => theirs });
  return {
    client,
    send: async (headers, body) =>
      answerOf(client.request(headers, { endStream: false }).end(body)),
    settled: () => new Promise((resolve) => client.ping(resolve)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => client.once('close', resolve));
      if (!client.destroyed) client.destroy();
      else return;
      await closed;
    },
  };
}

interface Answer {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: Buffer;
  text: string;
}

async function answerOf(request: ClientHttp2Stream): Promise<Answer> {
  const headers = new Promise<Answer['headers'] & { ':status'?: number }>((resolve) =>
    request.once('response', resolve),
  );
  const body = await buffer(request);
  const { ':status': status } = await headers;
  return { status, headers: await headers, body, text: body.toString() };
}

function echo(
  connection: Http2Connection,
  stream: number,
  { method, path, authority, headers, body }: Parameters<Http2TestApp['request']>[2],
): void {
  const one = headers.find(([name]) => name === 'x-one')?.[1];
  const text = JSON.stringify({ method, path, authority, one, body: Buffer.from(body).toString() });
  connection.respond(stream, 200, [['content-type', 'application/json']], Buffer.from(text));
}

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7) ^ (i >> 8));
}
