import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatPrefix, parsePrefix, type Prefix, prefixOf } from './prefix.ts';
import { MAX_SITE, viaOf, viaPrefix } from './via.ts';

describe('4via6', () => {
  test('gives the prefixes that `tailscale debug via` prints', () => {
    for (const [site, four, six] of [
      [7, '10.1.1.0/24', 'fd7a:115c:a1e0:b1a:0:7:a01:100/120'],
      [1, '10.0.0.0/24', 'fd7a:115c:a1e0:b1a:0:1:a00:0/120'],
      [0, '192.168.1.0/24', 'fd7a:115c:a1e0:b1a::c0a8:100/120'],
      [0xbb, '10.2.0.0/16', 'fd7a:115c:a1e0:b1a:0:bb:a02:0/112'],
      [65_535, '192.0.2.1/32', 'fd7a:115c:a1e0:b1a:0:ffff:c000:201/128'],
      [2, '0.0.0.0/0', 'fd7a:115c:a1e0:b1a:0:2::/96'],
    ] as const) {
      const via = viaPrefix({ site, prefix: prefix(four) });
      assert.ok(via.ok);
      assert.equal(formatPrefix(via.value), six);
      assert.deepEqual(viaOf(prefix(six)), { site, prefix: prefix(four) });
    }
  });

  test('has no prefix for a site out of range or for IPv6', () => {
    for (const site of [-1, 0.5, MAX_SITE + 1, Number.NaN]) {
      assert.deepEqual(viaPrefix({ site, prefix: prefix('10.0.0.0/8') }), {
        ok: false,
        error: 'site',
      });
    }
    assert.deepEqual(viaPrefix({ site: 1, prefix: prefix('fd00::/64') }), {
      ok: false,
      error: 'not-ipv4',
    });
  });

  test('is in its own range only, one site at a time', () => {
    for (const text of ['10.0.0.0/8', 'fd7a:115c:a1e0::/96', 'fd7a:115c:a1e0:b1a::/95']) {
      assert.equal(viaOf(prefix(text)), undefined, text);
    }
  });

  test('there and back again is the same', () => {
    const site = fc.integer({ min: 0, max: MAX_SITE });
    const value = fc.bigInt({ min: 0n, max: 0xffffffffn });
    const bits = fc.integer({ min: 0, max: 32 });
    fc.assert(
      fc.property(site, value, bits, (at, address, length) => {
        const given = { site: at, prefix: prefixOf({ family: 4, value: address }, length) };
        const via = viaPrefix(given);
        assert.ok(via.ok);
        assert.deepEqual(viaOf(via.value), given);
      }),
    );
  });
});

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}
