import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isRootWith } from '@malla/platform/testing/powers';
import { socketTransport } from './socket-transport.ts';
import { listen, recorder, type Seen } from './testing/recorder.ts';

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
    { skip: isRootWith('dac_override') && 'root may open every socket' },
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

  test('has to speak HTTP, and to the end', async () => {
    const answers = new Map([
      ['220 mail\r\n', /^what answers on socket ".*" is no malla$/],
      ['', /^what answers on socket ".*" is no malla$/],
      ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":', /^the answer of the server broke off$/],
    ]);
    for (const [answer, message] of answers) {
      const path = join(dir, 'other.sock');
      await using _server = await listen(
        createTcpServer((socket) => socket.resume().end(answer)),
        path,
      );
      await assert.rejects(socketTransport({ path, timeoutMs: 5_000 }).request(GET), {
        name: 'CommandError',
        message,
      });
    }
  });

  test('carries an answer of many packets', async () => {
    const path = join(dir, 'long.sock');
    const body = JSON.stringify('é'.repeat(1_000_000));
    await using _server = await listen(
      createServer((_, response) => response.end(body)),
      path,
    );
    const answer = await socketTransport({ path, timeoutMs: 30_000 }).request(GET);
    assert.equal(answer.body, body);
  });
});
