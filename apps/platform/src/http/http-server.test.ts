import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import { afterEach, describe, test } from 'node:test';
import tls from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Budget } from '../budget/budget.ts';
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

  test('takes the whole address in place of a path, for a request and for an upgrade', async () => {
    const server = await listen();
    for (const path of ['/x?y=1', '']) {
      const head = `GET http://y${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      await exchange(server, head);
    }
    assert.deepEqual(served, ['/x?y=1', '/']);
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.write(upgrade('http://y/up'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
    socket.destroy();
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

  test('accepts at several listeners, and ends them all', async () => {
    const server = await listen({ acceptors: 3 });
    const clients = Array.from({ length: 30 }, () => net.connect(server.address.port, '127.0.0.1'));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    assert.match(await exchange(server, 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'), /hello$/);
    // Those that no listener has accepted yet are reset.
    const closed = clients.map(
      (client) => new Promise((resolve) => client.on('error', () => {}).once('close', resolve)),
    );
    await servers.pop()?.stop(0);
    await Promise.all(closed);
    const late = net.connect(server.address.port, '127.0.0.1');
    const [refused] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(refused.code, 'ECONNREFUSED');
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

/** Sends a request on a connection that stays, and gives the first answer. */
async function firstAnswer(server: HttpServer, text: string): Promise<string> {
  const socket = net.connect(server.address.port, '127.0.0.1');
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
}

const up = (line: string, headers: string): string => `${line}\r\nHost: x\r\n${headers}\r\n`;

describe('a connection for something else than HTTP', () => {
  for (const [name, text] of [
    ['nothing about it in Connection', up('POST /up HTTP/1.1', 'Upgrade: any\r\n')],
    [
      'keep-alive in Connection, as from nginx',
      up('POST /up HTTP/1.1', 'Upgrade: any\r\nConnection: keep-alive\r\n'),
    ],
    [
      'other words in Connection too',
      up('GET /up HTTP/1.1', 'Upgrade: any\r\nConnection: keep-alive, UPGRADE\r\n'),
    ],
    ['close in Connection', up('GET /up HTTP/1.1', 'Upgrade: any\r\nConnection: close\r\n')],
    ['HTTP/1.0', up('POST /up HTTP/1.0', 'Upgrade: any\r\nConnection: close\r\n')],
    ['a body of no bytes', up('POST /up HTTP/1.1', 'Upgrade: any\r\nContent-Length: 0\r\n')],
    [
      'an empty body in chunks',
      `${up('POST /up HTTP/1.1', 'Upgrade: any\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`,
    ],
    ['names in lower case', up('POST /up HTTP/1.1', 'upgrade: ANY\r\nconnection: upgrade\r\n')],
  ] as const) {
    test(`is taken over with ${name}, and what comes in the same packet is not lost`, async () => {
      const server = await listen({
        onUpgrade: (_request, socket, head) => {
          socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${head.toString()}`);
        },
      });
      const answer = await firstAnswer(server, `${text}GET /behind HTTP/1.1\r\n\r\n`);
      assert.equal(answer, 'HTTP/1.1 101 Switching Protocols\r\n\r\nGET /behind HTTP/1.1\r\n\r\n');
      assert.deepEqual(served, []);
    });
  }

  test('is not taken over with a body', async () => {
    const server = await listen({ onUpgrade: () => assert.fail('taken over') });
    const head = up('POST /up HTTP/1.1', 'Upgrade: any\r\nContent-Length: 2\r\n');
    assert.match(await exchange(server, `${head}hi`), /^HTTP\/1\.1 400 /);
  });

  test('is taken over though requests were answered on it before, as proxies reuse connections', async () => {
    const server = await listen();
    const socket = net.connect(server.address.port, '127.0.0.1');
    const answers: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => answers.push(chunk));
    for (const path of ['/1', '/2']) {
      socket.write(up(`GET ${path} HTTP/1.1`, 'Connection: keep-alive\r\n'));
      await once(socket, 'data');
    }
    socket.write(up('POST /up HTTP/1.1', 'Upgrade: any\r\nConnection: keep-alive\r\n'));
    await once(socket, 'data');
    assert.match(Buffer.concat(answers).toString(), /hello[^]*hello[^]*HTTP\/1\.1 101 /);
    assert.deepEqual(served, ['/1', '/2']);
    socket.destroy();
  });
});

describe('a port of HTTPS', () => {
  for (const request of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'POST /ts2021 HTTP/1.1\r\n']) {
    test(`tells plain HTTP (${request.slice(0, 4)}) where to go`, async () => {
      const server = await listen({ tls: await createSelfSigned('one.test') });
      const answer = await exchange(server, request);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*this port speaks HTTPS: use https:\/\//);
      assert.deepEqual(served, []);
    });
  }

  test('says nothing to what is neither', async () => {
    const server = await listen({ tls: await createSelfSigned('one.test') });
    assert.equal(await exchange(server, '\0SSH'), '');
  });

  test('answers a hello that comes in pieces, one byte at a time', async () => {
    const server = await listen({ tls: await createSelfSigned('one.test') });
    const slow = net.connect(server.address.port, '127.0.0.1');
    slow.setNoDelay(true);
    const [near, far] = duplexPair();
    const secure = tls.connect({ socket: near, rejectUnauthorized: false });
    slow.on('data', (chunk: Buffer) => far.write(chunk));
    far.on('data', (chunk: Buffer) => {
      for (const byte of chunk) slow.write(Uint8Array.of(byte));
    });
    await once(secure, 'secureConnect');
    secure.write('GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [answer] = (await once(secure, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
    slow.destroy();
  });
});

const forwarded = (request: IncomingMessage): string =>
  String(request.headers['x-forwarded-for'] ?? '127.0.0.1');

/** A request as a proxy forwards it. */
const forwardedGet = (address: string): string =>
  `GET /x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\n\r\n`;

async function connected(server: HttpServer, text: string): Promise<net.Socket> {
  const socket = net.connect(server.address.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'data');
  return socket;
}

describe('what a server gives to an address', () => {
  const limits = { total: 3, each: 2 };
  const budgets = (): { connections: Budget; bodies: Budget } => ({
    connections: new Budget({ name: 'connections', strangers: limits, known: limits }),
    bodies: new Budget({
      name: 'bodies',
      strangers: { total: 1e6, each: 1e6 },
      known: limits,
    }),
  });
  test('are so many connections: one more takes the place of the one that is unused for longest', async () => {
    const counted = budgets();
    const server = await listen({ budgets: counted });
    const get = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
    const [a, b] = [await connected(server, get), await connected(server, get)];
    a.write(get);
    await once(a, 'data');
    const gone = once(b, 'close');
    const c = await connected(server, get);
    await gone;
    assert.equal(counted.connections.strangers.used, 2);
    assert.equal(a.closed, false);
    for (const socket of [a, c]) socket.destroy();
    while (counted.connections.strangers.used > 0) await new Promise(setImmediate);
  });

  test('goes to whom a proxy speaks for, as far as it is told who that is', async () => {
    const counted = budgets();
    const server = await listen({ budgets: counted, addressOf: forwarded });
    const a = await connected(server, forwardedGet('192.0.2.1'));
    const b = await connected(server, forwardedGet('192.0.2.2'));
    const { strangers } = counted.connections;
    assert.deepEqual([strangers.usedBy('192.0.2.1'), strangers.usedBy('127.0.0.1')], [1, 0]);
    a.write(forwardedGet('192.0.2.2'));
    await once(a, 'data');
    assert.equal(strangers.usedBy('192.0.2.2'), 2);
    const c = await connected(server, forwardedGet('192.0.2.3'));
    assert.equal(strangers.used, 3);
    for (const socket of [a, b, c]) socket.destroy();
  });

  test('is whose turn it is: one of whom a proxy speaks for does not wait for all of another', async () => {
    const asked: string[] = [];
    const server = await listen({
      addressOf: forwarded,
      isProxy: (address) => address.endsWith('127.0.0.1'),
      onRequest: (request, response) => {
        asked.push(forwarded(request));
        response.end('hello');
      },
    });
    const many = Array.from({ length: 60 }, () => '192.0.2.1');
    // All are accepted and have been answered once, so that all ask again in the same moment.
    const sockets = await Promise.all(
      [...many, '192.0.2.2'].map(async (address) => ({
        address,
        socket: await connected(server, forwardedGet(address)),
      })),
    );
    asked.length = 0;
    const answers = sockets.map(({ socket }) => once(socket, 'data'));
    for (const { address, socket } of sockets) socket.write(forwardedGet(address));
    await Promise.all(answers);
    const place = asked.indexOf('192.0.2.2');
    assert.ok(place < many.length / 2, `after ${place} of ${many.length}`);
    for (const { socket } of sockets) socket.destroy();
  });

  test('is told to whoever takes a connection over, until it ends', async () => {
    const counted = budgets();
    const server = await listen({
      budgets: counted,
      onUpgrade: (_request, socket, _head, lease) => {
        assert.ok(lease?.promote('mkey:a'));
        socket.on('end', () => socket.end()).resume();
        socket.write('101');
      },
    });
    const socket = await connected(server, upgrade('/up'));
    assert.deepEqual([counted.connections.strangers.used, counted.connections.known.used], [0, 1]);
    socket.destroy();
    while (counted.connections.known.used > 0) await new Promise(setImmediate);
  });

  test('keeps nothing of the request of a connection that was taken over, however long it stays', async () => {
    const requests: WeakRef<IncomingMessage>[] = [];
    const server = await listen({
      budgets: budgets(),
      onUpgrade: (request, socket) => {
        requests.push(new WeakRef(request));
        socket.on('end', () => socket.end()).resume();
        socket.write('101');
      },
    });
    const socket = await connected(server, upgrade('/up'));
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as NodeJS.GCFunction;
    for (let i = 0; i < 100 && requests[0]?.deref() !== undefined; i++) {
      await new Promise(setImmediate);
      collect();
    }
    assert.equal(requests.length, 1);
    assert.equal(requests[0]?.deref(), undefined);
    socket.destroy();
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
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400],
    ['the same Host twice', 'GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n', 400],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['another version', 'GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
    ['no version', 'GET /\r\n\r\n', 505],
    ['chunks of HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    [
      'another encoding before chunks',
      `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      501,
    ],
    ['another encoding', `${POST}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n`, 501],
    ['chunks twice', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['the same length twice', `${POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`, 400],
    ['a list of lengths', `${POST}Content-Length: 2, 2\r\n\r\nhi`, 400],
    ['an empty length', `${POST}Content-Length:\r\n\r\n`, 400],
    ['a length without end', `${POST}Content-Length: ${'9'.repeat(30)}\r\n\r\n`, 400],
    ['lines that end in line feeds', 'GET / HTTP/1.1\nHost: x\n\n', 400],
    ['a carriage return within a line', 'GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n', 400],
    ['a NUL', 'GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n', 400],
    ['a space before the first header', 'GET / HTTP/1.1\r\n Host: x\r\n\r\n', 400],
    ['a method in lower case', 'get / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a target that is a host', 'GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a tunnel', 'CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n', 400],
    ['an expectation that is unknown', `${POST}Expect: more\r\nContent-Length: 2\r\n\r\nhi`, 417],
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

  for (const request of [
    'GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a_b.example\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    '\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  ]) {
    test(`is not ${JSON.stringify(request)}`, async () => {
      assert.match(await exchange(await listen(), request), /^HTTP\/1\.1 200 [^]*hello$/);
    });
  }

  for (const chunk of ['-1', '1 x', '0x1', 'f'.repeat(17), '']) {
    test(`is a chunk of ${JSON.stringify(chunk)} bytes, and what follows is none`, async () => {
      const body = `${chunk}\r\nX\r\n0\r\n\r\n`;
      await exchange(await listen(), `${POST}Transfer-Encoding: chunked\r\n\r\n${body}${smuggled}`);
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
