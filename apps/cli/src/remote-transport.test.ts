import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { describe, test } from 'node:test';
import { createSelfSigned } from '@malla/platform/tls/self-signed';
import { remoteTransport } from './remote-transport.ts';
import { listen, recorder, type Seen } from './testing/recorder.ts';

const GET = { method: 'GET', path: '/api/v1/health', body: undefined };

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
