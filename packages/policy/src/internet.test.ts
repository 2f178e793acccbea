import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '@malla/ip/address';
import { contains, formatPrefix, overlaps, parsePrefix } from '@malla/ip/prefix';
import { isExitRoute } from '@malla/ip/special';
import { INTERNET, overlapsInternet } from './internet.ts';

test('the internet holds public addresses and no private, link-local or tailnet ones', () => {
  const cases = {
    '8.8.8.8': true,
    '9.255.255.255': true,
    '11.0.0.0': true,
    '100.63.255.255': true,
    '100.128.0.0': true,
    '172.32.0.1': true,
    '2600::1': true,
    '10.1.2.3': false,
    '100.64.0.1': false,
    '169.254.1.1': false,
    '172.31.255.255': false,
    '192.168.0.1': false,
    'fd7a:115c:a1e0::1': false,
    'fe80::1': false,
  };
  for (const [text, wanted] of Object.entries(cases)) {
    const address = parseAddress(text);
    assert.ok(address.ok);
    assert.equal(
      INTERNET.some((prefix) => contains(prefix, address.value)),
      wanted,
      text,
    );
  }
});

test('no two of its prefixes overlap', () => {
  for (const [i, a] of INTERNET.entries()) {
    for (const b of INTERNET.slice(i + 1)) {
      assert.ok(!overlaps(a, b), `${formatPrefix(a)} and ${formatPrefix(b)}`);
    }
  }
});

test('a prefix is reached through an exit node when any of its addresses is public', () => {
  for (const [text, wanted] of Object.entries({
    '0.0.0.0/0': true,
    '8.0.0.0/5': true,
    '10.0.0.0/8': false,
    'fc00::/7': false,
  })) {
    const prefix = parsePrefix(text);
    assert.ok(prefix.ok);
    assert.equal(overlapsInternet(prefix.value), wanted, text);
    assert.equal(isExitRoute(prefix.value), text === '0.0.0.0/0');
  }
});
