import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ADDRESS_BITS, type Address, formatAddress } from './address.ts';
import {
  comparePrefixes,
  contains,
  containsPrefix,
  formatPrefix,
  lastAddress,
  overlaps,
  parsePrefix,
  parsePrefixMasked,
  parsePrefixOrAddress,
  type Prefix,
  prefixOf,
  prefixSize,
} from './prefix.ts';

const p = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
};

// Few distinct high bits, so that prefixes often meet.
const anyAddress: fc.Arbitrary<Address> = fc
  .record({ family: fc.constantFrom(4 as const, 6 as const), top: fc.nat(3), low: fc.nat(65535) })
  .map(({ family, top, low }) => ({
    family,
    value: (BigInt(top) << BigInt(ADDRESS_BITS[family] - 2)) | BigInt(low),
  }));
const anyPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(anyAddress, fc.nat(128))
  .map(([address, bits]) => prefixOf(address, Math.min(bits, ADDRESS_BITS[address.family])));

describe('prefix', () => {
  test('the text is canonical', () => {
    assert.equal(formatPrefix(p('FD7A:115C:A1E0:0::/48')), 'fd7a:115c:a1e0::/48');
    assert.equal(formatPrefix(p('0.0.0.0/0')), '0.0.0.0/0');
    assert.equal(formatPrefix(p('::/0')), '::/0');
  });

  test('host bits are a fault, or dropped on request', () => {
    assert.deepEqual(parsePrefix('10.0.0.1/8'), { ok: false, error: 'host-bits' });
    assert.deepEqual(parsePrefix('::1/127'), { ok: false, error: 'host-bits' });
    assert.deepEqual(parsePrefixMasked('10.0.0.1/8'), { ok: true, value: p('10.0.0.0/8') });
    assert.deepEqual(parsePrefixMasked('::1/127'), { ok: true, value: p('::/127') });
  });

  test('each kind of bad text has its fault', () => {
    const faults = {
      '10.0.0.0': 'bits',
      '10.0.0.0/': 'bits',
      '10.0.0.0/33': 'bits',
      '10.0.0.0/08': 'bits',
      '10.0.0.0/+8': 'bits',
      '10.0.0.0/8/8': 'bits',
      '10.0.0.0/255.0.0.0': 'bits',
      '::/129': 'bits',
      '/8': 'not-an-address',
      'fe80::%eth0/64': 'zone',
    };
    for (const [text, error] of Object.entries(faults)) {
      assert.deepEqual(parsePrefix(text), { ok: false, error }, text);
    }
  });

  test('an address alone is the prefix that holds only it', () => {
    assert.deepEqual(parsePrefixOrAddress('100.64.0.1'), { ok: true, value: p('100.64.0.1/32') });
    assert.deepEqual(parsePrefixOrAddress('::1'), { ok: true, value: p('::1/128') });
    assert.deepEqual(parsePrefixOrAddress('10.0.0.0/8'), { ok: true, value: p('10.0.0.0/8') });
    assert.equal(parsePrefixOrAddress('host').ok, false);
  });

  test('any prefix reads back from its text', () => {
    fc.assert(
      fc.property(anyPrefix, (prefix) => {
        assert.deepEqual(parsePrefix(formatPrefix(prefix)), { ok: true, value: prefix });
      }),
    );
  });

  test('it holds the addresses that the platform says it holds', () => {
    fc.assert(
      fc.property(anyPrefix, anyAddress, (prefix, address) => {
        if (prefix.bits === 0 || prefix.network.family !== address.family) return;
        const list = new BlockList();
        const family = address.family === 4 ? 'ipv4' : 'ipv6';
        list.addSubnet(formatAddress(prefix.network), prefix.bits, family);
        assert.equal(contains(prefix, address), list.check(formatAddress(address), family));
      }),
    );
  });

  test('families never mix, also for mapped addresses', () => {
    const four = { family: 4, value: 1n } as const;
    assert.equal(contains(p('::/0'), four), false);
    assert.equal(contains(p('::ffff:0:0/96'), four), false);
    assert.equal(contains(p('0.0.0.0/0'), { family: 6, value: 1n }), false);
    assert.equal(overlaps(p('0.0.0.0/0'), p('::/0')), false);
  });

  test('containment and overlap follow from first and last address', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        const same = a.network.family === b.network.family;
        const [aFrom, aTo] = [a.network.value, lastAddress(a).value];
        const [bFrom, bTo] = [b.network.value, lastAddress(b).value];
        assert.equal(aTo - aFrom + 1n, prefixSize(a));
        assert.equal(containsPrefix(a, b), same && aFrom <= bFrom && bTo <= aTo);
        assert.equal(overlaps(a, b), same && aFrom <= bTo && bFrom <= aTo);
      }),
    );
  });

  test('order is IPv4 first, then by network, then the wider first', () => {
    const order = ['10.0.0.0/8', '10.0.0.0/9', '100.64.0.0/10', '::/0', '::/128', 'fd00::/8'];
    const sorted = order.map(p).toReversed().toSorted(comparePrefixes);
    assert.deepEqual(sorted.map(formatPrefix), order);
  });

  test('a length out of range is a bug of the caller', () => {
    for (const bits of [-1, 33, 1.5, Number.NaN]) {
      assert.throws(() => prefixOf({ family: 4, value: 0n }, bits), RangeError);
    }
  });

  test('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), (text) => void [parsePrefix(text), parsePrefixMasked(text)]),
    );
  });
});
