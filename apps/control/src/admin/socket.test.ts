import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { refused } from '../testing/admin.ts';
import { listenSocket, type SocketApp, type SocketListener } from './socket.ts';

const app: SocketApp = {
  fetch: async (request) =>
    Response.json({
      method: request.method,
      path: new URL(request.url).pathname,
      body: await request.text(),
    }),
};

describe('the unix socket', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('carries requests to the application and answers back', async () => {
    const path = join(folder, 'carry.sock');
    const listener = await listen(path);
    assert.deepEqual(JSON.parse(await ask(path, 'POST', '/api/v1/user', '{"name":"ann"}')), {
      method: 'POST',
      path: '/api/v1/user',
      body: '{"name":"ann"}',
    });
    await listener.stop();
  });

  test('has the mode it is given, in a folder only the owner may enter', async () => {
    const path = join(folder, 'run', 'malla', 'mode.sock');
    const listener = await listen(path, 0o720);
    assert.equal((await stat(path)).mode & 0o777, 0o720);
    assert.equal((await stat(join(folder, 'run'))).mode & 0o777, 0o700);
    await listener.stop();
  });

  test('is gone when the server has stopped', async () => {
    const path = join(folder, 'gone.sock');
    await (await listen(path)).stop();
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  test('replaces one that a killed server left behind', async () => {
    const path = join(folder, 'stale.sock');
    await leaveStale(path);
    const listener = await listen(path);
    assert.match(await ask(path, 'GET', '/', ''), /"GET"/);
    await listener.stop();
  });

  test('of a server that runs is left alone', async () => {
    const path = join(folder, 'alive.sock');
    const first = await listen(path);
    const [code, message] = await refused(listen(path));
    assert.equal(code, 'listen.failed');
    assert.match(message, /another server is listening there/);
    assert.match(await ask(path, 'GET', '/', ''), /"GET"/);
    await first.stop();
  });

  test('answers a body that it does not read with a problem document', async () => {
    const path = join(folder, 'long.sock');
    const listener = await listen(path);
    const socket = connect(path);
    socket.write('POST /api/v1/user HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n{');
    const answer = await readText(socket);
    assert.match(answer, /^HTTP\/1\.1 413 .*\r\ncontent-type: application\/problem\+json\r\n/is);
    assert.match(answer, /"code":"request\.too-large"/);
    await listener.stop();
  });

  test('never replaces a file', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'precious');
    assert.match((await refused(listen(path)))[1], /a file that is no socket/);
  });
});

function listen(path: string, mode = 0o770): Promise<SocketListener> {
  return listenSocket({ path, mode }, app, silentLogger);
}

/** A socket whose server ended without unlinking it, as one that is killed does. */
async function leaveStale(path: string): Promise<void> {
  const moved = `${path}.moved`;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(moved, resolve));
  await rename(moved, path); // closing unlinks the path it listened on
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function ask(socketPath: string, method: string, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
    request.end(body);
  });
}
