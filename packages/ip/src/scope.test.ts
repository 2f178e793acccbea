import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress } from './address.ts';
import { type Scope, scopeOf } from './scope.ts';

const CASES: readonly (readonly [string, Scope])[] = [
  ['127.0.0.1', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['169.254.1.2', 'link-local'],
  ['fe80::1', 'link-local'],
  ['febf::1', 'link-local'],
  ['fec0::1', 'global'],
  ['10.255.0.1', 'private'],
  ['172.15.0.1', 'global'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.1', 'global'],
  ['192.168.0.1', 'private'],
  ['::ffff:192.168.0.1', 'private'],
  ['fd7a:115c:a1e0::1', 'private'],
  ['100.63.255.255', 'global'],
  ['100.64.0.0', 'shared'],
  ['100.127.255.255', 'shared'],
  ['100.128.0.0', 'global'],
  ['224.0.0.1', 'multicast'],
  ['ff02::1', 'multicast'],
  ['0.0.0.0', 'none'],
  ['255.255.255.255', 'none'],
  ['::', 'none'],
  ['192.0.2.1', 'global'],
  ['2001:db8::1', 'global'],
];

describe('the scope of an address', () => {
  for (const [text, scope] of CASES) {
    test(`of ${text} is ${scope}`, () => {
      const address = parseAddress(text);
      assert.ok(address.ok);
      assert.equal(scopeOf(address.value), scope);
    });
  }
});
