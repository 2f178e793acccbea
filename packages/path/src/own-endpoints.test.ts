import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, parseEndpoint } from '@malla/ip/endpoint';
import type { NetReport } from './netcheck/report.ts';
import { MAX_OWN_ENDPOINTS, OwnEndpoints } from './own-endpoints.ts';

function at(text: string): Endpoint {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return read.value;
}

function report(seen4: readonly string[], extra: Partial<NetReport> = {}): NetReport {
  const none = new Map<number, number>();
  return {
    startedAt: 0,
    udp: true,
    ipv4: true,
    ipv6: true,
    hasIpv6: true,
    mappingVaries: false,
    latency: none,
    latency4: none,
    latency6: none,
    seen4: seen4.map(at),
    seen6: [],
    ...extra,
  };
}

function texts(own: OwnEndpoints): string[] {
  return own.list().map(({ endpoint, type }) => `${endpoint.text} ${type}`);
}

const LOCAL = [at('192.168.1.2:41641'), at('[2001:db8::2]:41641'), at('127.0.0.1:41641')];

describe('own endpoints', () => {
  test('are the mapped, the seen, the configured and the local, in that order', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: LOCAL, configured: [at('203.0.113.5:9')] });
    own.handleReport(report(['198.51.100.1:4000'], { seen6: [at('[2001:db8::2]:41641')] }), 0);
    own.handleMapped(at('198.51.100.1:5000'));
    assert.deepEqual(texts(own), [
      '198.51.100.1:5000 3',
      '198.51.100.1:4000 2',
      '[2001:db8::2]:41641 2',
      '203.0.113.5:9 5',
      '192.168.1.2:41641 1',
    ]);
  });

  test('have the local port where the mapping varies and a router may pass it on', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: LOCAL.slice(0, 1), isPortFixed: true });
    own.handleReport(
      report(['198.51.100.1:4000', '198.51.100.1:4001'], { mappingVaries: true }),
      0,
    );
    assert.ok(texts(own).includes('198.51.100.1:41641 4'));
    own.handleLocal({ endpoints: LOCAL.slice(0, 1) });
    assert.ok(!texts(own).includes('198.51.100.1:41641 4'));
  });

  test('keep what was seen when answers are lost, for five minutes', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: LOCAL });
    own.handleReport(report(['198.51.100.1:4000']), 0);
    own.handleReport(report([]), 299_000);
    assert.ok(texts(own).includes('198.51.100.1:4000 2'));
    own.handleReport(report([]), 300_000);
    assert.ok(!texts(own).includes('198.51.100.1:4000 2'));
  });

  test('forget what was seen in another network', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: LOCAL });
    own.handleReport(report(['198.51.100.1:4000']), 0);
    own.handleLocal({ endpoints: [at('10.0.0.9:41641')] });
    assert.deepEqual(texts(own), ['10.0.0.9:41641 1']);
    assert.equal(own.freshAt, -Infinity);
  });

  test('name loopback only where there is nothing else, and never what needs a zone', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: [at('127.0.0.1:1')] });
    assert.deepEqual(texts(own), ['127.0.0.1:1 1']);
    assert.deepEqual(own.families, { ipv4: true, ipv6: false });
    own.handleLocal({ endpoints: [at('127.0.0.1:1'), at('[fe80::1]:1'), at('10.0.0.1:1')] });
    assert.deepEqual(texts(own), ['10.0.0.1:1 1']);
    assert.deepEqual(own.families, { ipv4: true, ipv6: false });
  });

  test('are bounded', () => {
    const own = new OwnEndpoints();
    own.handleLocal({ endpoints: Array.from({ length: 99 }, (_, i) => at(`10.0.0.${i}:1`)) });
    assert.equal(own.list().length, MAX_OWN_ENDPOINTS);
  });
});
