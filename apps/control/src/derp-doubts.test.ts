import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DerpNode } from '@malla/wire/tailcfg/derp-map';
import { doubtsAbout } from './derp-doubts.ts';

/** What is said of a map with this one node. */
function doubtOf(node: Partial<DerpNode>, serverHost: string): string | undefined {
  const full = { Name: '900a', RegionID: 900, HostName: 'derp.acme.dev', ...node };
  const region = { RegionID: 900, RegionCode: 'a', RegionName: 'a', Nodes: [full] };
  return doubtsAbout({ Regions: { 900: region } }, serverHost)[0];
}

describe('a relay of the DERP map', () => {
  test('at a private address is doubtful while the server is public', () => {
    for (const node of [
      { IPv4: '192.168.1.10' },
      { IPv4: '10.1.2.3' },
      { IPv4: '172.16.0.1', IPv6: 'none' },
      { IPv4: '169.254.1.1' },
      { IPv4: '100.64.0.5' },
      { IPv6: 'fd00::1' },
      { IPv6: 'fe80::1' },
      { HostName: '10.0.0.1' },
      { HostName: 'relay' },
      { HostName: 'relay.lan' },
      { HostName: 'relay.home.arpa' },
    ]) {
      for (const host of ['vpn.acme.dev', '9.9.9.9', '2620:fe::fe']) {
        assert.match(doubtOf(node, host) ?? '', /^region 900, node 900a: \S+ is private while/);
      }
      for (const host of ['192.168.1.2', 'localhost', 'vpn.lan', 'vpn', '100.64.0.1']) {
        assert.equal(doubtOf(node, host), undefined, `${JSON.stringify(node)} with ${host}`);
      }
    }
  });

  test('at an address that no client can mean is doubtful anyway', () => {
    assert.match(doubtOf({ IPv4: '198.51.100.1' }, '10.0.0.1') ?? '', /is of examples/);
    assert.match(doubtOf({ IPv6: '2001:db8::1' }, 'vpn.acme.dev') ?? '', /is of examples/);
    assert.match(doubtOf({ HostName: 'derp.example.com' }, 'vpn.acme.dev') ?? '', /is of examples/);
    assert.match(doubtOf({ HostName: '127.0.0.1' }, '10.0.0.1') ?? '', /is each client itself/);
    assert.match(doubtOf({ HostName: 'localhost' }, 'vpn.acme.dev') ?? '', /is each client itself/);
    assert.match(doubtOf({ IPv4: '0.0.0.0' }, '10.0.0.1') ?? '', /no address that clients can/);
  });

  test('that is public, or as near as the server, is in no doubt', () => {
    assert.equal(doubtOf({ IPv4: '9.9.9.9', IPv6: 'none' }, 'vpn.acme.dev'), undefined);
    assert.equal(doubtOf({ HostName: '127.0.0.1', IPv4: '127.0.0.1' }, '127.0.0.1'), undefined);
    assert.equal(doubtOf({ HostName: 'vpn.example.org' }, 'vpn.example.org'), undefined);
  });
});
