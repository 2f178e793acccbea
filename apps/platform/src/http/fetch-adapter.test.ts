import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import { Budget } from '../budget/budget.ts';
import { type FetchHandler, fetchListener } from './fetch-adapter.ts';

describe('an application behind node:http', () => {
  let server: http.Server;
  let base: string;
  let port: number;
  let app: FetchHandler;
  const errors: unknown[] = [];

  before(async () => {
    const listener = fetchListener((request) => app(request), {
      body: { maxBytes: 10 },
      onError: (error) => errors.push(error),
    });
    server = http.createServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    base = `http://127.0.0.1:${port}`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  /** Sends text, and gives what comes until the server ends the connection. */
  async function exchange(text: string): Promise<string> {
    const socket = net.connect(port, '127.0.0.1');
    const chunks: Uint8Array[] = [];
    socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.write(text);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }

  test('is given method, path, query, headers and body', async () => {
    app = async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      return Response.json([method, pathname, search, headers.get('x-a'), await request.text()]);
    };
    const answer = await fetch(`${base}/a%20b?c=d`, {
      method: 'PUT',
      headers: { 'X-A': '1' },
      body: 'hello',
    });
    assert.deepEqual(await answer.json(), ['PUT', '/a%20b', '?c=d', '1', 'hello']);
  });

  test('gives status, headers and body, each cookie on its own', async () => {
    app = () => {
      const headers = new Headers({ 'X-A': '1' });
      headers.append('Set-Cookie', 'a=1');
      headers.append('Set-Cookie', 'b=2');
      return new Response('grüße', { status: 418, headers });
    };
    const answer = await fetch(base);
    assert.equal(answer.status, 418);
    assert.equal(answer.headers.get('x-a'), '1');
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2']);
    assert.equal(answer.headers.get('content-length'), '7');
    assert.equal(await answer.text(), 'grüße');
  });

  test('answers HEAD without a body, and 204 without a length', async () => {
    app = (request) => new Response(null, { status: request.method === 'HEAD' ? 200 : 204 });
    const head = await fetch(base, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, null]);
    const empty = await fetch(base);
    assert.deepEqual([empty.status, empty.headers.get('content-length')], [204, null]);
  });

  test('never sees a body that is too long: 413, announced or not', async () => {
    app = async (request) => new Response(await request.text());
    const known = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello worl';
    assert.match(await exchange(known), /^HTTP\/1\.1 413 /);
    const chunked =
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n';
    assert.match(await exchange(chunked), /^HTTP\/1\.1 413 /);
    assert.equal(
      await (await fetch(base, { method: 'POST', body: 'hello worl' })).text(),
      'hello worl',
    );
  });

  test('is asked before a body has come, which it need not read', async () => {
    app = ({ headers }) => new Response('no key', { status: headers.has('x-key') ? 200 : 401 });
    const answer = await exchange('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 401 [^]*connection: close\r\n[^]*no key$/i);
  });

  test('leaves a connection open behind a request whose body is empty or read', async () => {
    app = async (request) => new Response(await request.text());
    for (const body of ['', 'hello']) {
      const length = `Content-Length: ${body.length}\r\n`;
      const socket = net.connect(port, '127.0.0.1');
      socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${length}\r\n${body}`);
      const [answer] = (await once(socket, 'data')) as [Uint8Array];
      assert.match(Buffer.from(answer).toString(), /connection: keep-alive\r\n/i);
      socket.destroy();
    }
  });

  test('asks a client that waits for it to send the body, when it reads it', async () => {
    const expecting =
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
    const waiting = http.createServer();
    const options = { body: { maxBytes: 10 }, onError: (error: unknown) => errors.push(error) };
    waiting.on(
      'checkContinue',
      fetchListener((request) => app(request), options),
    );
    waiting.listen(0, '127.0.0.1');
    await once(waiting, 'listening');
    const to = (waiting.address() as AddressInfo).port;
    app = async (request) => new Response(await request.text());
    const asked = net.connect(to, '127.0.0.1');
    asked.write(expecting);
    const [first] = (await once(asked, 'data')) as [Uint8Array];
    assert.equal(Buffer.from(first).toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    asked.end('hello');
    const [answer] = (await once(asked, 'data')) as [Uint8Array];
    assert.match(Buffer.from(answer).toString(), /^HTTP\/1\.1 200 [^]*hello$/);
    app = () => new Response('no', { status: 401 });
    const refused = net.connect(to, '127.0.0.1');
    refused.write(expecting);
    const [no] = (await once(refused, 'data')) as [Uint8Array];
    assert.match(Buffer.from(no).toString(), /^HTTP\/1\.1 401 /);
    refused.destroy();
    waiting.close();
  });

  test('may have its own words for what it is not asked about', async () => {
    const options = {
      body: { maxBytes: 10 },
      onError: (error: unknown) => assert.fail(String(error)),
      refusal: ({ code }: MallaError) => Response.json({ code }, { status: 418 }),
    };
    const other = http.createServer(fetchListener(() => assert.fail('seen'), options));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const to = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const answer = await fetch(to, { method: 'POST', body: 'hello world' });
    assert.equal(answer.headers.get('connection'), 'close');
    assert.deepEqual([answer.status, await answer.json()], [418, { code: 'request.too-large' }]);
    other.close();
  });

  test('sees the path as it was sent, whatever host the target or the header names', async () => {
    app = (request) => new Response(new URL(request.url).pathname);
    for (const [target, path] of [
      ['//evil.test/a', '//evil.test/a'],
      ['http://evil.test/a', '/a'],
      ['/a//b', '/a//b'],
    ] as const) {
      const answer = await exchange(
        `GET ${target} HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n`,
      );
      assert.equal(answer.split('\r\n\r\n')[1], path);
    }
  });

  test('is not asked about targets that are no path, and methods that are none of Fetch', async () => {
    app = () => assert.fail('seen');
    for (const [line, status] of [
      ['OPTIONS *', 400],
      ['GET http://', 400],
      ['TRACE /', 405],
    ] as const) {
      const answer = await exchange(`${line} HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    }
    assert.deepEqual(errors, []);
  });

  test('that throws is answered 500 without a word, and its error is told', async () => {
    app = () => {
      throw new Error('secret');
    };
    const answer = await fetch(base);
    assert.deepEqual([answer.status, await answer.text()], [500, '']);
    assert.deepEqual(errors.splice(0).map(String), ['Error: secret']);
  });

  test('that refuses is answered for with the words for it', async () => {
    app = () => {
      throw new MallaError('request.forbidden', 'not you');
    };
    const answer = await fetch(base);
    assert.deepEqual([answer.status, await answer.text()], [403, 'not you\n']);
    assert.deepEqual(errors, []);
  });

  test('gets no body that the budget has no room for: 503, and what it got is given back', async () => {
    const limits = { total: 6, each: 6 };
    const budget = new Budget({ name: 'bodies', strangers: limits, known: limits });
    const options = {
      body: { maxBytes: 10, lease: () => budget.take('192.0.2.1', 0) },
      onError: (error: unknown) => assert.fail(String(error)),
    };
    const counted = http.createServer(fetchListener((request) => app(request), options));
    counted.listen(0, '127.0.0.1');
    await once(counted, 'listening');
    const to = `http://127.0.0.1:${(counted.address() as AddressInfo).port}`;
    let held = 0;
    app = async (request) => {
      const text = await request.text();
      held = budget.strangers.used;
      return new Response(text);
    };
    assert.equal(await (await fetch(to, { method: 'POST', body: 'hello' })).text(), 'hello');
    assert.deepEqual([held, budget.strangers.used], [5, 0]);
    const refused = await fetch(to, { method: 'POST', body: 'hello world'.slice(0, 7) });
    assert.equal(refused.status, 503);
    assert.equal(budget.strangers.used, 0);
    counted.close();
  });

  test('sends a stream of events piece by piece, and is told when nobody reads it any more', async () => {
    const cancelled = Promise.withResolvers<void>();
    let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
    app = () => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          stream = controller;
          controller.enqueue(utf8('first\n'));
        },
        cancel: () => cancelled.resolve(),
      });
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    };
    const { body, headers } = await fetch(base);
    assert.equal(headers.has('content-length'), false);
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader?.read())?.value, 'first\n');
    stream?.enqueue(utf8('second\n'));
    assert.equal((await reader?.read())?.value, 'second\n');
    await reader?.cancel();
    await cancelled.promise;
    assert.deepEqual(errors, []);
  });

  test('ends the answer of a stream of events that ends, and the connection serves on', async () => {
    app = (request) =>
      request.url.endsWith('/events')
        ? new Response('data: 1\n\n', { headers: { 'Content-Type': 'text/event-stream' } })
        : new Response('next');
    const answer = exchange(
      'GET /events HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    assert.match(await answer, /data: 1\n\n\r\n0\r\n\r\nHTTP\/1\.1 200 OK[^]*next$/);
  });

  test('is not told of a client that breaks off', async () => {
    app = async (request) => new Response(await request.text());
    const socket = net.connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhel');
    await once(server, 'request');
    socket.destroy();
    await once(socket, 'close');
    app = () => new Response('ok');
    assert.equal(await (await fetch(base)).text(), 'ok');
    assert.deepEqual(errors, []);
  });
});
