/**
 * h2spec, the conformance suite for HTTP/2 servers, against `packages/http2` on plain TCP. Needs Go and,
 * the first time, its module proxy.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { serveHttp2 } from '@malla/testkit/http2-driver';
import { skipWithout } from './needs.ts';

const hello = new TextEncoder().encode('hello');

test('h2spec finds nothing wrong', { skip: skipWithout('go') }, async (t) => {
  const server = createServer((socket) => {
    serveHttp2(socket.setNoDelay(), {
      request(connection, stream) {
        connection.respond(stream, 200, [['content-type', 'text/plain']], hello);
      },
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const { stdout } = await promisify(execFile)(
      'go',
      ['tool', 'h2spec', '--strict', '--host', '127.0.0.1', '--port', String(port)],
      { cwd: join(import.meta.dirname, 'h2spec'), timeout: 120_000 },
    ).catch((error: { stdout?: string; message: string }) => ({
      stdout: `${error.message}\n${error.stdout}`,
    }));
    const [, tests = '0', passed] = /(\d+) tests, (\d+) passed/.exec(stdout) ?? [];
    t.diagnostic(`${passed} of ${tests} tests passed`);
    assert.ok(Number(tests) > 100 && passed === tests, stdout.slice(-8000));
  } finally {
    server.close();
  }
});
