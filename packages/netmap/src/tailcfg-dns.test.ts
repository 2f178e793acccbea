import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressBytes, addressFromBytes } from '@malla/ip/address';
import { lastAddress, parsePrefix, type Prefix, prefixOf } from '@malla/ip/prefix';
import fc from 'fast-check';
import type { DnsRecord } from './dns-record.ts';
import { type DnsSettings, encodeDnsConfig, NO_DNS, reverseZones } from './tailcfg-dns.ts';

const MAGIC = { magicDns: true, baseDomain: 'tailnet.test' };

/** What a client reads. */
function configOf(
  settings: Partial<DnsSettings>,
  given: {
    readonly prefixes?: readonly string[];
    readonly records?: readonly DnsRecord[];
  } = {},
): Record<string, unknown> {
  const { prefixes = [], records = [] } = given;
  const text = encodeDnsConfig({ ...NO_DNS, ...settings }, prefixes.map(prefix), records);
  return JSON.parse(text) as Record<string, unknown>;
}

function routesOf(config: Record<string, unknown>): Record<string, unknown> {
  return config['Routes'] as Record<string, unknown>;
}

function record(name: string, value: string = '100.64.0.1'): DnsRecord {
  return { name, type: value.includes(':') ? 'AAAA' : 'A', value };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

function zones(text: string): readonly string[] {
  return reverseZones(prefix(text));
}

describe('the DNS of a tailnet', () => {
  test('without settings says only that there is no MagicDNS', () => {
    assert.deepEqual(configOf({}, { prefixes: ['100.64.0.0/10'] }), {
      Domains: [],
      Proxied: false,
    });
  });

  test('with MagicDNS answers its own names and addresses: empty lists, not null', () => {
    const prefixes = ['100.64.0.0/16', 'fd7a:115c:a1e0::/48'];
    assert.deepEqual(configOf(MAGIC, { prefixes }), {
      Routes: {
        'tailnet.test': [],
        '64.100.in-addr.arpa': [],
        '0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa': [],
      },
      Domains: ['tailnet.test'],
      Proxied: true,
    });
  });

  test('uses its nameservers for everything, or only where a client has none', () => {
    const nameservers = ['1.1.1.1', 'https://dns.example/q'];
    const servers = [{ Addr: '1.1.1.1' }, { Addr: 'https://dns.example/q' }];
    const fallback = configOf({ nameservers });
    assert.deepEqual(fallback['FallbackResolvers'], servers);
    assert.equal(fallback['Resolvers'], undefined);
    const all = configOf({ nameservers, overrideLocalDns: true });
    assert.deepEqual(all['Resolvers'], servers);
    assert.equal(all['FallbackResolvers'], undefined);
  });

  test('has split domains, search domains and records', () => {
    const config = configOf(
      {
        baseDomain: 'tailnet.test',
        splitNameservers: { 'corp.example': ['10.0.0.1'], 'home.arpa': [] },
        searchDomains: ['corp.example'],
      },
      { records: [record('a.tailnet.test'), record('b.tailnet.test', 'fd7a:115c:a1e0::1')] },
    );
    assert.deepEqual(config, {
      Routes: { 'corp.example': [{ Addr: '10.0.0.1' }], 'home.arpa': [] },
      Domains: ['tailnet.test', 'corp.example'],
      Proxied: false,
      ExtraRecords: [
        { Name: 'a.tailnet.test', Type: 'A', Value: '100.64.0.1' },
        { Name: 'b.tailnet.test', Type: 'AAAA', Value: 'fd7a:115c:a1e0::1' },
      ],
    });
  });

  test('has a route to each record that no other covers, so that every system asks for it', () => {
    const names = ['a.tailnet.test', 'nas.home.arpa', 'disk.nas.home.arpa', 'a.corp.example', 'tv'];
    const records = names.map((name) => record(name));
    const settings = { ...MAGIC, splitNameservers: { 'corp.example': ['10.0.0.1'] } };
    assert.deepEqual(routesOf(configOf(settings, { records })), {
      'tailnet.test': [],
      'corp.example': [{ Addr: '10.0.0.1' }],
      'nas.home.arpa': [],
      tv: [],
    });
  });

  test('sends what is below such a record to the nameservers, where there are some', () => {
    const settings = { ...MAGIC, nameservers: ['1.1.1.1'] };
    const records = [record('example.org')];
    const routes = routesOf(configOf(settings, { records }));
    assert.deepEqual(routes['example.org'], [{ Addr: '1.1.1.1' }]);
    const override = routesOf(configOf({ ...settings, overrideLocalDns: true }, { records }));
    assert.deepEqual(Object.keys(override), ['tailnet.test']);
  });
});

describe('reverse zones', () => {
  test('of the CGNAT range are 64', () => {
    const all = zones('100.64.0.0/10');
    assert.equal(all.length, 64);
    assert.equal(all[0], '64.100.in-addr.arpa');
    assert.equal(all.at(-1), '127.100.in-addr.arpa');
  });

  test('of the ULA are one', () => {
    assert.deepEqual(zones('fd7a:115c:a1e0::/48'), ['0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa']);
  });

  test('of prefixes that do not end at a label are those of the next longer ones', () => {
    assert.deepEqual(zones('192.0.2.128/31'), [
      '128.2.0.192.in-addr.arpa',
      '129.2.0.192.in-addr.arpa',
    ]);
    assert.equal(zones('128.0.0.0/1').length, 128);
    assert.deepEqual(zones('fd7a:115c:a1e0:c000::/51'), [
      'c.0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa',
      'd.0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa',
    ]);
  });

  test('of one address, and of all of them, are whole', () => {
    assert.deepEqual(zones('192.0.2.1/32'), ['1.2.0.192.in-addr.arpa']);
    assert.deepEqual(zones('0.0.0.0/0'), ['in-addr.arpa']);
    assert.deepEqual(zones('::/0'), ['ip6.arpa']);
  });

  test('cover every address of any prefix and none besides', () => {
    const bytes = fc.constantFrom(4, 16).chain((length) =>
      fc.record({
        raw: fc.uint8Array({ minLength: length, maxLength: length }),
        bits: fc.nat(length * 8),
      }),
    );
    fc.assert(
      fc.property(bytes, ({ raw, bits }) => {
        const address = addressFromBytes(raw);
        assert.ok(address.ok);
        const wanted = prefixOf(address.value, bits);
        const covered = reverseZones(wanted).map((zone) => rangeOf(zone, raw.length));
        assert.equal(covered[0]?.first, numberOf(wanted.network));
        assert.equal(covered.at(-1)?.last, numberOf(lastAddress(wanted)));
        for (const [i, { first }] of covered.entries()) {
          if (i > 0) assert.equal(first, (covered[i - 1]?.last ?? 0n) + 1n);
        }
      }),
    );
  });
});

function numberOf(address: Prefix['network']): bigint {
  return BigInt(`0x${addressBytes(address).toHex()}`);
}

/** The addresses whose names are in a zone. */
function rangeOf(zone: string, bytes: number): { first: bigint; last: bigint } {
  const [labelBits, base] = bytes === 4 ? [8n, 10] : [4n, 16];
  const labels = zone.split('.').slice(0, -2);
  if (zone === 'in-addr.arpa' || zone === 'ip6.arpa') labels.length = 0;
  let first = 0n;
  for (const label of labels.toReversed()) {
    first = (first << labelBits) | BigInt(Number.parseInt(label, base));
  }
  const rest = BigInt(bytes * 8) - labelBits * BigInt(labels.length);
  return { first: first << rest, last: (first << rest) + (1n << rest) - 1n };
}
