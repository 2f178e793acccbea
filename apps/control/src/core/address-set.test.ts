import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { contains, lastAddress, parsePrefix, type Prefix, prefixOf } from '@malla/ip/prefix';
import { RESERVED } from '@malla/ip/special';
import fc from 'fast-check';
import { AddressSet, LastGiven } from './address-set.ts';

const p = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
};

function addressesOf(set: AddressSet): readonly string[] {
  return Array.from({ length: Number(set.size) }, (_, i) => formatAddress(set.nth(BigInt(i))));
}

/** Around 100.100.100.100, of which no node may have the last one. */
const WITHIN = p('100.100.100.64/26');
const inside = fc
  .record({ at: fc.integer({ min: 50, max: 140 }), bits: fc.integer({ min: 26, max: 32 }) })
  .map(({ at, bits }) => prefixOf(p(`100.100.100.${at}/32`).network, bits));
const some = fc.array(inside, { maxLength: 4 });

/** Whether a prefix has an address that is not at its edge. */
function inner(prefix: Prefix, address: Address): boolean {
  if (!contains(prefix, address)) return false;
  const [first, last] = [prefix.network.value, lastAddress(prefix).value];
  return prefix.bits > 30 || (address.value > first && address.value < last);
}

/** By looking at each address. */
function slow(prefixes: readonly Prefix[], except: readonly Prefix[]): readonly string[] {
  const out: string[] = [];
  for (let last = 0; last < 256; last++) {
    const address = p(`100.100.100.${last}/32`).network;
    if (!inner(WITHIN, address) || !prefixes.some((prefix) => inner(prefix, address))) continue;
    if ([...RESERVED, ...except].some((prefix) => contains(prefix, address))) continue;
    out.push(formatAddress(address));
  }
  return out;
}

describe('a set of addresses', () => {
  test('is what its prefixes have, without edges, reserved addresses and those of others', () => {
    fc.assert(
      fc.property(some, some, (prefixes, except) => {
        const set = new AddressSet(prefixes, WITHIN, except);
        const expected = slow(prefixes, except);
        assert.deepEqual(addressesOf(set), expected);
        for (let last = 0; last < 256; last++) {
          const address = p(`100.100.100.${last}/32`).network;
          assert.equal(set.has(address), expected.includes(formatAddress(address)));
          const below = expected.filter((text) => p(`${text}/32`).network.value <= address.value);
          assert.equal(set.countUpTo(address), BigInt(below.length));
        }
      }),
    );
  });

  test('has the key of another exactly when it has the same addresses', () => {
    fc.assert(
      fc.property(some, some, some, (one, two, except) => {
        const [a, b] = [new AddressSet(one, WITHIN, except), new AddressSet(two, WITHIN)];
        assert.equal(a.key === b.key, addressesOf(a).join() === addressesOf(b).join());
      }),
    );
  });

  test('is of one family', () => {
    const six = p('fd7a:115c:a1e0::/64');
    const set = new AddressSet([six], six, [p('100.64.0.0/10')]);
    assert.equal(set.size, 2n ** 64n - 3n);
    assert.ok(!set.has(p('0.0.0.5/32').network));
    assert.throws(() => set.nth(set.size), RangeError);
  });
});

/** What is said of a set, given before that; '' if nothing. */
function told(given: LastGiven, set: AddressSet, before: readonly string[] = []): string {
  const last = given.of(set, () => before);
  return last === undefined ? '' : formatAddress(last);
}

describe('the address that was given last', () => {
  const sets = Array.from(
    { length: 300 },
    (_, i) =>
      new AddressSet([p(`100.64.${Math.floor(i / 64)}.${(i % 64) * 4}/30`)], p('100.64.0.0/16')),
  );
  test('is known of every set apart from each other', () => {
    const given = new LastGiven();
    const [first, second] = sets as [AddressSet, AddressSet];
    assert.equal(told(given, first, ['100.64.0.1', '100.64.0.5', 'nonsense']), '100.64.0.1');
    assert.equal(told(given, second), '');
    for (const text of ['100.64.0.2', '100.64.0.6', '100.64.9.9', 'nonsense']) given.note(text);
    assert.equal(told(given, first), '100.64.0.2');
    assert.equal(told(given, second), '100.64.0.6');
  });

  test('is looked up again for a set that was asked for long ago', () => {
    const given = new LastGiven();
    for (const set of sets) told(given, set);
    let looked = 0;
    const look = (): readonly string[] => {
      looked++;
      return ['100.64.0.1'];
    };
    const parsed = parseAddress('100.64.0.1');
    assert.ok(parsed.ok);
    assert.deepEqual(given.of(sets[0]!, look), parsed.value);
    assert.equal(given.of(sets[299]!, look), undefined);
    assert.equal(looked, 1);
  });
});
