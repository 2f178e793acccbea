import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rulesAdmit } from '@malla/testkit/packet-filter';
import fc from 'fast-check';
import { AddressSet, type SourceAddress, sourceAddress } from './sources.ts';

/** The IPv6 addresses go over from one number of 48 bits to the next. */
const BASE = { 4: 0x6440_0000n, 6: (0xfd7a_115c_a1e0n << 80n) - 20n + (1n << 48n) } as const;

function address(family: 4 | 6, host: number): SourceAddress {
  return sourceAddress({ family, value: BASE[family] + BigInt(host) });
}

const addresses = fc.array(
  fc
    .tuple(fc.constantFrom(4 as const, 6 as const), fc.nat({ max: 40 }))
    .map(([family, host]) => address(family, host)),
);

describe('addresses of sources', () => {
  test('that follow each other are a prefix where they fill one, else a range', () => {
    const set = new AddressSet([4, 5, 6, 7, 9, 12, 13, 14].map((host) => address(4, host)));
    assert.deepEqual(set.ranges(), ['100.64.0.4/30', '100.64.0.9', '100.64.0.12-100.64.0.14']);
  });

  test('are told one by one when asked so', () => {
    const set = new AddressSet([address(6, 22), address(4, 2), address(4, 1)]);
    const six = 'fd7a:115c:a1e0:0:1::2';
    assert.deepEqual(set.spelled(), ['100.64.0.1', '100.64.0.2', six]);
  });

  test('of several sets hold what any of the sets holds, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(addresses, { maxLength: 3 }), addresses, (lists, asked) => {
        const SrcIPs = AddressSet.union(lists.map((list) => new AddressSet(list))).ranges();
        const filter = [{ SrcIPs, DstPorts: [{ IP: '*', Ports: { First: 0, Last: 65_535 } }] }];
        for (const source of asked) {
          const admitted = rulesAdmit(filter, {
            source,
            destination: source,
            protocol: 6,
            port: 1,
          });
          const wanted = lists.flat().some(({ text }) => text === source.text);
          assert.equal(admitted, wanted, `${source.text} in ${SrcIPs.join()}`);
        }
      }),
    );
  });

  test('are the same set whether loaded or added and removed one by one', () => {
    fc.assert(
      fc.property(addresses, addresses, (kept, removed) => {
        const gone = new Set(removed.map(({ text }) => text));
        const set = new AddressSet(removed);
        for (const each of kept) set.add(each);
        for (const each of removed) set.remove(each);
        const fresh = new AddressSet(kept.filter(({ text }) => !gone.has(text)));
        assert.deepEqual(set.ranges(), fresh.ranges());
      }),
    );
  });
});
