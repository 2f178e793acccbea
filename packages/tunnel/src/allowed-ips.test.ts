import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, addressBytes, parseAddress } from '@malla/ip/address';
import { contains, formatPrefix, type Prefix, parsePrefix, prefixOf } from '@malla/ip/prefix';
import fc from 'fast-check';
import { AllowedIps } from './allowed-ips.ts';

/** Few bits vary, so that prefixes lie in each other and addresses in them. */
const v4s: fc.Arbitrary<Address> = fc
  .tuple(fc.constantFrom(10, 100, 255), fc.nat(7), fc.constantFrom(0, 128, 255), fc.nat(7))
  .map(([a, b, c, d]) => ({
    family: 4,
    value: BigInt(((a << 24) | (b << 16) | (c << 8) | d) >>> 0),
  }));
const v6s: fc.Arbitrary<Address> = fc
  .tuple(fc.constantFrom(0xfd7an, 0x2001n, 0xffffn), fc.nat(3), fc.nat(3), fc.nat(7))
  .map(([a, b, c, d]) => ({
    family: 6,
    value: (a << 112n) | (BigInt(b) << 95n) | (BigInt(c) << 63n) | (BigInt(c) << 31n) | BigInt(d),
  }));
const addresses = fc.oneof(v4s, v6s);
const prefixes = fc
  .tuple(addresses, fc.nat(32), fc.nat(128))
  .map(([address, four, six]) => prefixOf(address, address.family === 4 ? four : six));

describe('allowed IPs', () => {
  test('find the peer of the longest prefix around an address', () => {
    const ips = new AllowedIps<string>();
    ips.claim(prefix('0.0.0.0/0'), 'exit');
    ips.claim(prefix('10.0.0.0/8'), 'router');
    ips.claim(prefix('10.1.2.3/32'), 'one');
    ips.claim(prefix('::/0'), 'exit6');
    ips.claim(prefix('fd7a:115c:a1e0::1/128'), 'one');
    assert.equal(find(ips, '10.1.2.3'), 'one');
    assert.equal(find(ips, '10.1.2.4'), 'router');
    assert.equal(find(ips, '11.1.2.4'), 'exit');
    assert.equal(find(ips, 'fd7a:115c:a1e0::1'), 'one');
    assert.equal(find(ips, 'fd7a:115c:a1e0::2'), 'exit6');
  });

  test('know nobody where there is no prefix, and no IPv4 address in a prefix of IPv6', () => {
    const ips = new AllowedIps<string>();
    assert.equal(find(ips, '10.1.2.3'), undefined);
    ips.claim(prefix('::/0'), 'six');
    assert.equal(find(ips, '10.1.2.3'), undefined);
  });

  test('have a prefix with whoever claimed it last, and who lost it cannot give it back', () => {
    const ips = new AllowedIps<string>();
    ips.claim(prefix('10.0.0.0/8'), 'first');
    ips.claim(prefix('10.0.0.0/8'), 'second');
    assert.equal(ips.size, 1);
    ips.release(prefix('10.0.0.0/8'), 'first');
    assert.equal(find(ips, '10.1.2.3'), 'second');
    ips.release(prefix('10.0.0.0/8'), 'second');
    assert.equal(find(ips, '10.1.2.3'), undefined);
    assert.equal(ips.size, 0);
  });

  test('are what a look at every prefix says, after any claims and releases', () => {
    const moves = fc.array(fc.tuple(fc.boolean(), prefixes, fc.nat(3)), {
      maxLength: 60,
      size: 'max',
    });
    fc.assert(
      fc.property(moves, fc.array(addresses, { minLength: 20, maxLength: 40 }), (made, asked) => {
        const ips = new AllowedIps<number>();
        const plain = new Map<string, { prefix: Prefix; peer: number }>();
        for (const [claims, range, peer] of made) {
          const text = formatPrefix(range);
          if (claims) {
            ips.claim(range, peer);
            plain.set(text, { prefix: range, peer });
          } else {
            ips.release(range, peer);
            if (plain.get(text)?.peer === peer) plain.delete(text);
          }
          assert.equal(ips.size, plain.size);
        }
        for (const address of asked) {
          const around = [...plain.values()].filter((entry) => contains(entry.prefix, address));
          const longest = around.toSorted((a, b) => b.prefix.bits - a.prefix.bits)[0];
          const bytes = addressBytes(address);
          assert.equal(ips.peerOf(address.family, bytes, 0), longest?.peer);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('of ten thousand peers that come and go take no more room than the most there were', () => {
    const ips = new AllowedIps<number>();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 10_000; n++) ips.claim(single(n), n);
      assert.equal(ips.size, 10_000);
      assert.equal(find(ips, '100.64.0.70'), 10);
      for (let n = 0; n < 10_000; n++) ips.release(single(n), n);
      assert.equal(ips.size, 0);
    }
    assert.ok(ips.nodes <= 20_000, `${ips.nodes} nodes`);
  });
});

function single(n: number): Prefix {
  return prefixOf({ family: 4, value: 0x64400000n + BigInt(n) * 7n }, 32);
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  return parsed.ok ? parsed.value : assert.fail(text);
}

function find<Peer>(ips: AllowedIps<Peer>, text: string): Peer | undefined {
  const parsed = parseAddress(text);
  if (!parsed.ok) return assert.fail(text);
  const padded = Uint8Array.of(1, 2, ...addressBytes(parsed.value));
  return ips.peerOf(parsed.value.family, padded, 2);
}
