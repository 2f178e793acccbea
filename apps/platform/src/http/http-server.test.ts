import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { afterEach, describe, test } from 'node:test';
import tls from 'node:tls';
import { createSelfSigned } from '../tls/self-signed.ts';
import { type HttpServer, type HttpServerOptions, listenHttp } from './http-server.ts';

const servers: HttpServer[] = [];
/** Paths that were served, in order. */
const served: string[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(0)));
  served.length = 0;
});

async function listen(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    onRequest: (request, response) => {
      served.push(request.url ?? '');
      request.resume().on('end', () => response.end('hello'));
    },
    takesUpgrade: (request: IncomingMessage) => request.url === '/up',
    onUpgrade: (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    onError: (error) => assert.fail(error),
    ...options,
  });
  servers.push(server);
  return server;
}

/** Sends text on a connection that the client never ends, and gives what comes until the server does. */
async function exchange(server: HttpServer, text: string): Promise<string> {
  const socket = net.connect({ port: server.address.port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Uint8Array[] = [];
  socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  socket.on('error', () => {});
  const over = Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.write(text);
  await over;
  socket.destroy();
  return Buffer.concat(chunks).toString();
}

function upgrade(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: any\r\n\r\n`;
}

const POST = 'POST / HTTP/1.1\r\nHost: x\r\n';

describe('a listening server', () => {
  test('answers, and says where it listens', async () => {
    const server = await listen();
    assert.ok(server.address.port > 0);
    const answer = await fetch(`http://127.0.0.1:${server.address.port}/x`);
    assert.equal(await answer.text(), 'hello');
  });

  test('keeps the socket of an upgrade that is wanted, and answers any other as a plain request', async () => {
    const server = await listen();
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.write(upgrade('/up'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
    const closed = once(socket, 'close');
    await servers.pop()?.stop(0);
    await closed;
    const other = await listen();
    const plain = upgrade('/other').replace('Connection: upgrade', 'Connection: close, upgrade');
    assert.match(await exchange(other, plain), /^HTTP\/1\.1 200 OK/);
  });

  test('says in one sentence why it cannot listen', async () => {
    const { port } = (await listen()).address;
    await assert.rejects(listen({ port }), {
      code: 'listen.failed',
      message: `cannot listen on 127.0.0.1 port ${port}: another program uses it already`,
    });
    await assert.rejects(listen({ host: '192.0.2.1' }), /this machine does not have that address/);
  });

  test('serves TLS 1.2 and later, and another certificate when it is given one', async () => {
    const server = await listen({ tls: await createSelfSigned('one.test') });
    const nameShown = async (): Promise<unknown> => {
      const socket = tls.connect({
        port: server.address.port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2', 'http/1.1'],
        rejectUnauthorized: false,
      });
      await once(socket, 'secureConnect');
      assert.equal(socket.alpnProtocol, 'http/1.1');
      const { subjectaltname } = socket.getPeerCertificate();
      socket.destroy();
      return subjectaltname;
    };
    assert.equal(await nameShown(), 'DNS:one.test');
    server.setTls(await createSelfSigned('two.test'));
    assert.equal(await nameShown(), 'DNS:two.test');
  });
});

describe('what is no request', () => {
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const [name, text, status] of [
    ['garbage', '\x01\x02\r\n\r\n', 400],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    [
      'both a length and chunks',
      `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      400,
    ],
    [
      'chunks that are not the last encoding',
      `${POST}Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n${smuggled}`,
      400,
    ],
    ['two lengths', `${POST}Content-Length: 4\r\nContent-Length: 40\r\n\r\nbody${smuggled}`, 400],
    ['a length that is no number', `${POST}Content-Length: +4\r\n\r\nbody`, 400],
    ['a space before a colon', `${POST}Content-Length : 4\r\n\r\nbody`, 400],
    ['a folded header', `${POST}X: a\r\n b\r\n\r\n`, 400],
    ['a header over 16 KiB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    ['a path over 16 KiB', `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ] as const) {
    test(`${name} is answered ${status}, and the connection is over`, async () => {
      const answer = await exchange(await listen(), text);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(answer.split('HTTP/1.1').length, 2);
      assert.ok(!served.includes('/smuggled'));
    });
  }

  test('a bad chunk ends the connection, and what follows is not read as a request', async () => {
    await exchange(await listen(), `${POST}Transfer-Encoding: chunked\r\n\r\nZZ\r\n${smuggled}`);
    assert.ok(!served.includes('/smuggled'));
  });
});

describe('a server that stops', () => {
  test('lets a request end, and cuts off what is left after the time it is given', async () => {
    const gate = Promise.withResolvers<void>();
    const both = Promise.withResolvers<void>();
    const server = await listen({
      onRequest: (request, response) => {
        served.push(request.url ?? '');
        if (served.length === 2) both.resolve();
        if (request.url === '/slow') void gate.promise.then(() => response.end('done'));
      },
    });
    const base = `http://127.0.0.1:${server.address.port}`;
    const slow = fetch(`${base}/slow`);
    const never = assert.rejects(fetch(`${base}/never`));
    await both.promise;
    const stopped = servers.pop()?.stop(200);
    gate.resolve();
    assert.equal(await (await slow).text(), 'done');
    await Promise.all([never, stopped]);
  });
});
