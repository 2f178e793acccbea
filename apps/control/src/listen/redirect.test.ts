import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import type { HttpServer } from '@malla/platform/http/http-server';
import { listenSmall } from '@malla/platform/http/listener';
import { redirectTo } from './redirect.ts';

describe('plain HTTP', () => {
  let server: HttpServer;
  before(async () => {
    server = await listenSmall({
      host: '127.0.0.1',
      port: 0,
      route: redirectTo('https://vpn.example.org'),
      log: silentLogger,
    });
  });
  after(() => server.stop(0));

  function ask(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<readonly [number | undefined, string | undefined]> {
    const { port } = server.address;
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
        answer.resume();
        resolve([answer.statusCode, answer.headers.location]);
      })
        .on('error', reject)
        .end();
    });
  }

  test('is sent on, with its path and query', async () => {
    assert.deepEqual(await ask('GET', '/'), [308, 'https://vpn.example.org/']);
    assert.deepEqual(await ask('GET', '/key?v=142'), [308, 'https://vpn.example.org/key?v=142']);
  });

  test('is sent nowhere else, whatever it asks for', async () => {
    for (const path of ['//evil.example/', '/\\evil.example', 'http://evil.example/', '/%0d%0ax']) {
      const [status, location = ''] = await ask('GET', path, { host: 'evil.example' });
      assert.equal(status, 308, path);
      assert.equal(new URL(location).origin, 'https://vpn.example.org', path);
    }
  });

  test('is sent on where a client asks for an upgrade', async () => {
    const upgrade = { connection: 'upgrade', upgrade: 'tailscale-control-protocol' };
    assert.deepEqual(await ask('POST', '/ts2021', upgrade), [
      308,
      'https://vpn.example.org/ts2021',
    ]);
  });
});
