import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareAddresses } from './address.ts';
import { contains } from './prefix.ts';
import { RESERVED, SERVICE_IPV4, SERVICE_IPV6 } from './special.ts';

describe('special addresses', () => {
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
