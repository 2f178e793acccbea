import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, compareAddresses, parseAddress } from './address.ts';
import { contains } from './prefix.ts';
import { isTailnetAddress, RESERVED, SERVICE_IPV4, SERVICE_IPV6 } from './special.ts';

const a = (text: string): Address => {
  const parsed = parseAddress(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
};

describe('special addresses', () => {
  test('a tailnet address is in the shared or unique local range and not a container of ChromeOS', () => {
    for (const text of ['100.64.0.0', '100.127.255.255', 'fd7a:115c:a1e0::1', '100.115.94.0']) {
      assert.equal(isTailnetAddress(a(text)), true, text);
    }
    for (const text of [
      '100.128.0.0',
      '100.115.92.0',
      '100.115.93.255',
      'fd7a:115c:a1e1::',
      '::',
    ]) {
      assert.equal(isTailnetAddress(a(text)), false, text);
    }
  });

  test('the addresses of MagicDNS are reserved', () => {
    for (const service of [SERVICE_IPV4, SERVICE_IPV6]) {
      assert.ok(RESERVED.some((range) => contains(range, service)));
    }
  });

  test('reserved ranges are in order and apart, as address allocation relies on', () => {
    const networks = RESERVED.map((range) => range.network);
    assert.deepEqual(networks.toSorted(compareAddresses), networks);
    for (const [i, range] of RESERVED.entries()) {
      for (const other of networks.toSpliced(i, 1)) assert.equal(contains(range, other), false);
    }
  });
});
