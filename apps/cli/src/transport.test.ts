import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createSelfSigned } from '@malla/platform/tls/self-signed';
import { remoteTransport, socketTransport } from './transport.ts';

const dir = mkdtempSync(join(tmpdir(), 'malla-transport-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const GET = { method: 'GET', path: '/api/v1/health', body: undefined };

describe('the socket of this machine', () => {
  test('carries a request and its answer, without a key', async () => {
    const seen: Seen[] = [];
    const path = join(dir, 'plain.sock');
    await using _server = await listen(createServer(recorder(seen)), path);
    const answer = await socketTransport({ path, timeoutMs: 5_000 }).request({
      method: 'POST',
      path: '/api/v1/user?x=1',
      body: '{"name":"ann"}',
    });
    assert.deepEqual(answer, { status: 200, body: '{"é":1}' });
    const [request] = seen;
    assert.equal(request?.line, 'POST /api/v1/user?x=1');
    assert.equal(request?.body, '{"name":"ann"}');
    assert.equal(request?.headers['content-type'], 'application/json');
    assert.equal(request?.headers.authorization, undefined);
  });

  test('is waited for while a server starts', async () => {
    const path = join(dir, 'late.sock');
    const answer = socketTransport({ path, timeoutMs: 30_000 }).request(GET);
    await using _server = await listen(createServer(recorder([])), path);
    assert.equal((await answer).status, 200);
  });

  test('is given up after the timeout, with a hint', async () => {
    const path = join(dir, 'absent.sock');
    await assert.rejects(socketTransport({ path, timeoutMs: 60 }).request(GET), {
      name: 'CommandError',
      message: `connecting to malla: nothing listens on socket "${path}": is "malla serve" running with this configuration?`,
    });
  });

  test('is given up when the server accepts and stays silent', async () => {
    const path = join(dir, 'silent.sock');
    await using _server = await listen(
      createServer(() => {}),
      path,
    );
    await assert.rejects(socketTransport({ path, timeoutMs: 100 }).request(GET), {
      message: `no answer from malla on socket "${path}" within 100ms`,
    });
  });

  test(
    'asks about permissions when it may not be opened',
    { skip: process.getuid?.() === 0 && 'root may open every socket' },
    async () => {
      const path = join(dir, 'closed.sock');
      await using _server = await listen(createServer(recorder([])), path);
      chmodSync(path, 0);
      await assert.rejects(socketTransport({ path, timeoutMs: 5_000 }).request(GET), {
        message: new RegExp(
          `^unable to read/write to malla socket "${path}", do you have the correct permissions\\? `,
        ),
      });
    },
  );
});

describe('a server elsewhere', () => {
  const target = { apiKey: 'hskey-api-x-y', insecure: false, timeoutMs: 5_000 };

  test('is asked with the API key, below the path of its address', async () => {
    const seen: Seen[] = [];
    await using server = await listen(createServer(recorder(seen)));
    const address = `http://127.0.0.1:${server.port}/behind/`;
    assert.equal((await remoteTransport({ ...target, address }).request(GET)).status, 200);
    assert.equal(seen[0]?.line, 'GET /behind/api/v1/health');
    assert.equal(seen[0]?.headers.authorization, 'Bearer hskey-api-x-y');
  });

  test('is reached over HTTPS when its address is a bare host', async () => {
    const seen: Seen[] = [];
    await using server = await listen(
      createTlsServer(await createSelfSigned('localhost'), recorder(seen)),
    );
    const address = `localhost:${server.port}`;
    await assert.rejects(remoteTransport({ ...target, address }).request(GET), {
      message:
        /^connecting to malla at https:\/\/localhost:\d+: its certificate is not trusted: self-signed certificate \(MALLA_CLI_INSECURE=true skips the check\)$/,
    });
    assert.deepEqual(seen, []);
    const insecure = remoteTransport({ ...target, address, insecure: true });
    assert.equal((await insecure.request(GET)).status, 200);
  });

  test('is told apart from one that is not there', async () => {
    const server = await listen(createServer());
    const address = `http://127.0.0.1:${server.port}`;
    await server[Symbol.asyncDispose]();
    await assert.rejects(remoteTransport({ ...target, address }).request(GET), {
      name: 'CommandError',
      message: new RegExp(`^connecting to malla at ${address}: connect ECONNREFUSED`),
    });
  });

  test('is said not to speak TLS where an address has no scheme and the server no certificate', async () => {
    await using server = await listen(createServer(recorder([])));
    const address = `127.0.0.1:${server.port}`;
    await assert.rejects(remoteTransport({ ...target, address }).request(GET), {
      message: `connecting to malla at https://${address}: what answers there does not speak TLS: if that is meant, begin the address with http://`,
    });
  });

  test('is said to speak something else where it does', async () => {
    const identity = await createSelfSigned('localhost');
    await using secure = await listen(createTlsServer(identity, recorder([])));
    const plain = `http://127.0.0.1:${secure.port}`;
    await assert.rejects(remoteTransport({ ...target, address: plain }).request(GET), {
      message: `connecting to malla at ${plain}: it was closed without an answer: does the address begin with https://?`,
    });
    await using other = await listen(
      createTcpServer((socket) => socket.resume().end('220 mail\r\n')),
    );
    const mail = `http://127.0.0.1:${other.port}`;
    await assert.rejects(remoteTransport({ ...target, address: mail }).request(GET), {
      message: `connecting to malla at ${mail}: what answers there does not speak HTTP`,
    });
  });

  test('is given up after the timeout', async () => {
    await using server = await listen(createServer(() => {}));
    const address = `http://127.0.0.1:${server.port}`;
    await assert.rejects(remoteTransport({ ...target, address, timeoutMs: 100 }).request(GET), {
      message: `no answer from ${address} within 100ms`,
    });
  });

  for (const address of ['ftp://x', 'http://', 'a b']) {
    test(`"${address}" is refused`, () => {
      assert.throws(() => remoteTransport({ ...target, address }), /cli\.address .* is not a URL/);
    });
  }
});

interface Seen {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function recorder(seen: Seen[]): RequestListener {
  return (request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      response.end('{"é":1}');
    });
  };
}

async function listen(
  server: Server | TcpServer,
  path?: string,
): Promise<AsyncDisposable & { port: number }> {
  server.listen(path ?? { host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'string' ? 0 : (address?.port ?? 0),
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
