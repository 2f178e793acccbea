import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { BootstrapDns } from './bootstrap-dns.ts';
import { derpRoutes, standAloneRoutes } from './pages.ts';

function ask(path: string, init: RequestInit = {}): Promise<Response | undefined> {
  const dns = new BootstrapDns(
    () => ['derp.example.org'],
    () => Promise.resolve(['192.0.2.1']),
    new HandClock(),
  );
  return standAloneRoutes(dns)(new Request(`http://relay${path}`, init));
}

describe('relay routes', () => {
  test('DERP without an upgrade is told what is missing', async () => {
    const response = await ask('/derp');
    assert.equal(response?.status, 426);
    assert.match((await response?.text()) ?? '', /^DERP requires connection upgrade/);
  });

  test('probes are answered to any origin, by GET and HEAD only', async () => {
    for (const path of ['/derp/probe', '/derp/latency-check']) {
      for (const method of ['GET', 'HEAD']) {
        const response = await ask(path, { method });
        assert.equal(response?.status, 200);
        assert.equal(response?.headers.get('Access-Control-Allow-Origin'), '*');
      }
      const response = await ask(path, { method: 'POST' });
      assert.equal(response?.status, 405);
      assert.equal(await response?.text(), 'bogus probe method\n');
    }
  });

  test('the captive portal check echoes its challenge', async () => {
    const headers = { 'X-Tailscale-Challenge': 'ts_derp-1:host.example' };
    const response = await ask('/generate_204', { headers });
    assert.equal(response?.status, 204);
    assert.equal(response?.headers.get('X-Tailscale-Response'), 'response ts_derp-1:host.example');
    assert.match(response?.headers.get('Cache-Control') ?? '', /no-cache/);
  });

  test('a challenge that is too long or has other characters is not echoed', async () => {
    for (const challenge of ['a'.repeat(65), 'a b', '<a>']) {
      const response = await ask('/generate_204', {
        headers: { 'X-Tailscale-Challenge': challenge },
      });
      assert.equal(response?.status, 204);
      assert.equal(response?.headers.get('X-Tailscale-Response'), null);
    }
  });

  test('bootstrap DNS answers with addresses', async () => {
    const response = await ask('/bootstrap-dns?q=derp.example.org');
    assert.deepEqual(await response?.json(), { 'derp.example.org': ['192.0.2.1'] });
  });

  test('people find a page, robots a refusal', async () => {
    assert.match((await (await ask('/'))?.text()) ?? '', /relay/);
    assert.equal(await (await ask('/robots.txt'))?.text(), 'User-agent: *\nDisallow: /\n');
  });

  test('beside the control server the relay leaves all other paths alone', async () => {
    const dns = new BootstrapDns(
      () => [],
      () => Promise.resolve([]),
      new HandClock(),
    );
    for (const path of ['/', '/robots.txt', '/other']) {
      assert.equal(await derpRoutes(dns)(new Request(`http://relay${path}`)), undefined);
    }
  });
});
