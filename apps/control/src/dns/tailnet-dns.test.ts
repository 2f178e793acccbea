import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DnsRecord } from '@malla/netmap/dns-record';
import type { Node } from '@malla/netmap/node';
import { type DnsSettings, NO_DNS } from '@malla/netmap/tailcfg-dns';
import type { Change, StoredDnsRecord } from '../core/change.ts';
import { testNode } from '../testing/rows.ts';
import { TailnetDns, type TailnetDnsOptions } from './tailnet-dns.ts';

const NEXTDNS: Partial<DnsSettings> = {
  nameservers: ['https://dns.nextdns.io/a1', '9.9.9.9'],
  splitNameservers: { 'corp.example': ['https://dns.nextdns.io/b2'] },
};

function dnsOf(
  settings: Partial<DnsSettings> = {},
  options: Partial<TailnetDnsOptions> = {},
): TailnetDns {
  return new TailnetDns({
    settings: { ...NO_DNS, ...settings },
    prefixes: [],
    wildcard: false,
    fixed: [],
    stored: [],
    ...options,
  });
}

function record(name: string): DnsRecord {
  return { name, type: 'A', value: '192.0.2.1' };
}

function stored(id: number, name: string): StoredDnsRecord {
  return { ...record(name), id, tailnet: 1, createdAt: 0 };
}

function addition(id: number, name: string): Change {
  return { table: 'dnsRecord', id, before: undefined, after: stored(id, name) };
}

/** The resolvers, and those of corp.example, that a node with these capabilities is given. */
function resolversOf(dns: TailnetDns, node: Node, ...capabilities: readonly string[]): unknown {
  const text = dns.dnsConfigOf(node, Object.fromEntries(capabilities.map((name) => [name, null])));
  if (text === undefined) return undefined;
  const config = JSON.parse(text) as {
    FallbackResolvers: { Addr: string }[];
    Routes: { 'corp.example': { Addr: string }[] };
  };
  return [...config.FallbackResolvers, ...config.Routes['corp.example']].map(({ Addr }) => Addr);
}

function namesIn(dns: TailnetDns): readonly string[] {
  const config = JSON.parse(dns.sharedDnsConfig()) as { ExtraRecords?: { Name: string }[] };
  return (config.ExtraRecords ?? []).map(({ Name }) => Name);
}

describe('the records of a tailnet', () => {
  test('come from the configuration, its file and the database, each once', () => {
    const dns = dnsOf({}, { fixed: [record('a')], stored: [stored(1, 'c')] });
    assert.equal(dns.setFileRecords([record('b'), record('a')]), true);
    assert.deepEqual(namesIn(dns), ['a', 'b', 'c']);
    assert.deepEqual(
      dns.list().map(({ name, source, id }) => [name, source, id]),
      [
        ['a', 'config', undefined],
        ['b', 'file', undefined],
        ['a', 'file', undefined],
        ['c', 'database', 1],
      ],
    );
  });

  test('change with the rows, and say whether anybody need be told', () => {
    const dns = dnsOf({}, { fixed: [record('a')] });
    assert.equal(dns.apply([addition(1, 'b')]), true);
    assert.equal(dns.apply([addition(2, 'a')]), false);
    assert.deepEqual(namesIn(dns), ['a', 'b']);
    const removal = {
      table: 'dnsRecord',
      id: 1,
      before: stored(1, 'b'),
      after: undefined,
    } as const;
    assert.equal(dns.apply([removal]), true);
    assert.equal(dns.apply([addition(3, 'c'), { ...removal, id: 3 }]), false);
    assert.equal(dns.apply([]), false);
    assert.deepEqual(namesIn(dns), ['a']);
  });

  test('of a file that says the same again are no change', () => {
    const dns = dnsOf();
    assert.equal(dns.setFileRecords([record('a')]), true);
    assert.equal(dns.setFileRecords([record('a'), record('a')]), false);
  });
});

describe('the config of a node', () => {
  const node = testNode(1, { hostname: 'Ann’s Phone', hostinfo: { OS: 'android' } });

  test('is the shared one without NextDNS', () => {
    const dns = dnsOf({ nameservers: ['9.9.9.9'] });
    assert.equal(dns.isShared, true);
    assert.equal(dns.dnsConfigOf(node, { 'nextdns:c3': null }), undefined);
    assert.equal(dns.concerns(node, { ...node, hostname: 'other' }), false);
  });

  test('names the device to NextDNS wherever a resolver of it is used', () => {
    const device = '?device_ip=100.64.0.1&device_model=android&device_name=Ann%E2%80%99s+Phone';
    assert.deepEqual(resolversOf(dnsOf(NEXTDNS), node), [
      `https://dns.nextdns.io/a1${device}`,
      '9.9.9.9',
      `https://dns.nextdns.io/b2${device}`,
    ]);
  });

  test('has the profile that the policy gives it, and is silent where the policy says so', () => {
    const dns = dnsOf(NEXTDNS);
    assert.deepEqual(resolversOf(dns, node, 'nextdns:c3', 'nextdns:no-device-info'), [
      'https://dns.nextdns.io/c3',
      '9.9.9.9',
      'https://dns.nextdns.io/c3',
    ]);
    assert.equal(resolversOf(dns, node, 'nextdns:no-device-info'), undefined);
  });

  test('may change with what NextDNS is told, and with nothing else of the node', () => {
    const dns = dnsOf(NEXTDNS);
    assert.equal(dns.concerns(node, { ...node, hostname: 'other' }), true);
    assert.equal(dns.concerns(node, { ...node, hostinfo: { OS: 'linux' } }), true);
    assert.equal(dns.concerns(node, { ...node, ipv4: '100.64.0.9' }), true);
    assert.equal(
      dns.concerns(node, { ...node, homeDerp: 7, hostinfo: { ...node.hostinfo } }),
      false,
    );
  });

  test('of a tailnet with IPv6 alone tells that address', () => {
    const [first] = resolversOf(dnsOf(NEXTDNS), { ...node, ipv4: undefined }) as string[];
    assert.match(first ?? '', /device_ip=fd7a%3A115c%3Aa1e0%3A%3A1&/);
  });
});

describe('names below a node', () => {
  const attribute = { 'dns-subdomain-resolve': null };

  test('are for every node by the configuration, told to itself and to its peers', () => {
    const dns = dnsOf({}, { wildcard: true });
    assert.deepEqual(dns.capabilities, attribute);
    assert.deepEqual(dns.peerCapabilities({}), attribute);
  });

  test('are for one node by the policy, of whose capabilities peers are told no other', () => {
    const dns = dnsOf();
    assert.deepEqual(dns.capabilities, {});
    assert.deepEqual(dns.peerCapabilities({ ...attribute, 'magicdns-aaaa': null }), attribute);
    assert.deepEqual(dns.peerCapabilities({ 'magicdns-aaaa': null }), {});
  });
});
