import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { formatPrefix, prefixOf } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import fc from 'fast-check';
import { AddressSet } from './address-set.ts';
import { PacketFilter } from './filter.ts';
import { packetOf } from './packet.ts';
import { plainlyAdmits, plainlyGranted } from './testing/plain-filter.ts';

/** Few, so that rules and packets often meet, and at the edges of each other. */
function addresses(family: 4 | 6): fc.Arbitrary<Address> {
  const base = parseAddress(family === 4 ? '10.255.255.250' : 'fd00::ffff:fffa');
  assert.ok(base.ok);
  return fc.nat(12).map((n) => ({ family, value: base.value.value + BigInt(n) }));
}

const family = fc.constantFrom(4, 6);
const address = family.chain(addresses);
const range = fc.oneof(
  fc.constant('*'),
  address.map(formatAddress),
  fc.tuple(address, fc.nat(6)).map(([at, bits]) => {
    return formatPrefix(prefixOf(at, (at.family === 4 ? 32 : 128) - bits));
  }),
  family
    .chain((of) => fc.tuple(addresses(of), addresses(of)))
    .map((ends) =>
      ends
        .toSorted((a, b) => (a.value < b.value ? -1 : 1))
        .map(formatAddress)
        .join('-'),
    ),
);
const port = fc.constantFrom(0, 1, 2, 80, 65_534, 65_535);
const ports = fc
  .tuple(port, port)
  .map(([a, b]) => ({ First: Math.min(a, b), Last: Math.max(a, b) }));
const protocol = fc.constantFrom(1, 6, 17, 47, 58, 132);
const capability = fc.constantFrom('a', '__proto__');
const rules: fc.Arbitrary<readonly FilterRule[]> = fc.array(
  fc.record({
    SrcIPs: fc.array(range, { maxLength: 3 }),
    DstPorts: fc.array(fc.record({ IP: range, Ports: ports }), { maxLength: 3 }),
    IPProto: fc.array(protocol, { maxLength: 2 }),
    CapGrant: fc.array(
      fc.record({
        Dsts: fc.array(
          range.filter((text) => text !== '*' && !text.includes('-')),
          { maxLength: 2 },
        ),
        CapMap: fc
          .tuple(capability, fc.option(fc.array(fc.nat(9), { maxLength: 2 })))
          .map((entry) => Object.fromEntries([entry])),
      }),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 4 },
);
const flow = family.chain((of) =>
  fc.record({
    source: addresses(of),
    destination: addresses(of),
    protocol,
    port,
    sourcePort: port,
  }),
);

describe('a packet filter', () => {
  test('lets in the beginnings of flows that the rules let in, read one by one', () => {
    fc.assert(
      fc.property(rules, flow, (given, start) => {
        const filter = new PacketFilter({ rules: given, local: ['*'] });
        const verdict = filter.inbound(packetOf(start));
        assert.equal(verdict === 'accept', plainlyAdmits(given, start));
      }),
      { numRuns: 3000 },
    );
  });

  test('grants what the rules grant, read one by one', () => {
    fc.assert(
      fc.property(rules, flow, capability, (given, { source, destination }, name) => {
        const granted = new PacketFilter({ rules: given, local: ['*'] }).capabilities(
          source,
          destination,
        );
        const values = Object.hasOwn(granted, name) ? (granted[name] ?? []) : [];
        assert.deepEqual(values, plainlyGranted(given, source, destination, name));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('two sets of addresses', () => {
  test('overlap where an address is in both', () => {
    const lists = family.chain((of) => {
      const list = fc.array(addresses(of), { maxLength: 5 });
      return fc.tuple(fc.constant(of), list, list);
    });
    fc.assert(
      fc.property(lists, fc.nat(2), ([of, a, b], length) => {
        const setOf = (firsts: readonly Address[]): AddressSet =>
          new AddressSet(
            of,
            firsts.map((first) => ({
              first,
              last: { family: of, value: first.value + BigInt(length) },
            })),
          );
        const meet = a.some((one) =>
          b.some(({ value }) => {
            const apart = value < one.value ? one.value - value : value - one.value;
            return apart <= BigInt(length);
          }),
        );
        assert.equal(setOf(a).overlaps(setOf(b)), meet);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a set of addresses', () => {
  test('holds what any of its ranges does, wherever the address stands', () => {
    const pairs = family.chain((of) =>
      fc.record({
        of: fc.constant(of),
        ranges: fc.array(fc.tuple(addresses(of), addresses(of)), { maxLength: 5 }),
        wanted: addresses(of),
        at: fc.nat(3),
      }),
    );
    fc.assert(
      fc.property(pairs, ({ of, ranges, wanted, at }) => {
        const ordered = ranges.map(([a, b]) =>
          a.value < b.value ? { first: a, last: b } : { first: b, last: a },
        );
        const set = new AddressSet(of, ordered);
        const packet = packetOf({ source: wanted, destination: wanted, protocol: 6 });
        const bytes = new Uint8Array(at + 16);
        bytes.set(packet.bytes.subarray(0, packet.destinationAt), at);
        const isIn = ordered.some(
          ({ first, last }) => first.value <= wanted.value && wanted.value <= last.value,
        );
        assert.equal(set.holds(bytes, at), isIn);
      }),
      { numRuns: 1000 },
    );
  });
});
