import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shareHolder } from './share-holder.ts';

describe('the holder of a share', () => {
  for (const [address, holder] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['', ''],
    ['no address', ''],
  ] as const) {
    test(`of ${address || 'nothing'} is ${holder || 'one for all such'}`, () => {
      assert.equal(shareHolder(address), holder);
    });
  }
});
