import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isKnownDoh } from './doh.ts';
import { isNextDns, nextDnsAddress, nextDnsChoice } from './nextdns.ts';

const DEVICE = { name: 'node1', model: 'linux', address: '100.64.0.1' };

function resolverFor(address: string, ...capabilities: readonly string[]): string {
  const map = Object.fromEntries(capabilities.map((name) => [name, null]));
  return nextDnsAddress(address, nextDnsChoice(map, DEVICE));
}

describe('a NextDNS resolver', () => {
  test('tells of the device: its address, model and name', () => {
    assert.equal(
      resolverFor('https://dns.nextdns.io/abc123'),
      'https://dns.nextdns.io/abc123?device_ip=100.64.0.1&device_model=linux&device_name=node1',
    );
  });

  test('keeps parameters that it has already', () => {
    assert.equal(
      resolverFor('https://dns.nextdns.io/abc123?x=1'),
      'https://dns.nextdns.io/abc123?device_ip=100.64.0.1&device_model=linux&device_name=node1&x=1',
    );
  });

  test('has the profile that the policy gives the node, the first in order of several', () => {
    const [path] = resolverFor('https://dns.nextdns.io/a1?x=1', 'nextdns:c3', 'nextdns:b2').split(
      '?',
    );
    assert.equal(path, 'https://dns.nextdns.io/b2');
  });

  test('tells nothing of the device where the policy says so', () => {
    const silent = 'nextdns:no-device-info';
    assert.equal(resolverFor('https://dns.nextdns.io/a1', silent), 'https://dns.nextdns.io/a1');
    assert.equal(
      resolverFor('https://dns.nextdns.io/a1', silent, 'nextdns:b2'),
      'https://dns.nextdns.io/b2',
    );
  });

  test('is not led elsewhere by an attribute that is no profile', () => {
    for (const profile of ['', 'a/b', 'a?b', '..', '.', 'a#b', 'x'.repeat(65), 'a b']) {
      assert.match(resolverFor('https://dns.nextdns.io/a1', `nextdns:${profile}`), /io\/a1\?/);
    }
  });

  test('is one by its host: others are left as they are', () => {
    for (const address of [
      '1.1.1.1',
      'https://dns.nextdns.io.example/a1',
      'https://dns.google/dns-query',
    ]) {
      assert.equal(resolverFor(address, 'nextdns:b2'), address);
    }
  });

  test('stays one, whatever a device calls itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (name, model) => {
        const choice = { profile: 'a1', device: { ...DEVICE, name, model } };
        const address = nextDnsAddress('https://dns.nextdns.io/x', choice);
        assert.ok(isNextDns(address));
        assert.equal(new URL(address).pathname, '/a1');
      }),
    );
  });
});

describe('DNS over HTTPS', () => {
  test('is known of providers that are built into clients', () => {
    for (const url of [
      'https://dns.nextdns.io/abc123',
      'https://dns.nextdns.io/abc123?x=1',
      'https://cloudflare-dns.com/dns-query',
      'https://dns.controld.com/8yezwenugs',
      'https://freedns.controld.com/p2',
    ]) {
      assert.ok(isKnownDoh(url), url);
    }
    for (const url of [
      'https://doh.example/dns-query',
      'https://dns.nextdns.io/',
      'https://dns.google/',
    ])
      assert.ok(!isKnownDoh(url), url);
  });
});
