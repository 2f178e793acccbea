import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { containsPrefix, formatPrefix, overlaps, parsePrefix, prefixOf } from '@malla/ip/prefix';
import { CGNAT, CHROMEOS_RANGE, SERVICE_IPV4, SERVICE_RANGE } from '@malla/ip/special';
import fc from 'fast-check';
import { hintsOf, policyOf, problemsOf } from '../testing/policies.ts';

const pool = (ipPool: unknown, target: readonly string[] = ['group:ops']): object => ({
  nodeAttrs: [{ target, ipPool }],
});

describe('pools', () => {
  test('are prefixes inside the range of tailnets, whose host bits are dropped', () => {
    const { nodeAttributes } = policyOf(pool(['100.81.0.0/16', ' 100.85.7.1/24', '100.86.0.9']));
    assert.deepEqual(
      nodeAttributes[0]?.pool.map(({ value, place }) => [formatPrefix(value), place.path]),
      [
        ['100.81.0.0/16', 'nodeAttrs[0].ipPool[0]'],
        ['100.85.7.0/24', 'nodeAttrs[0].ipPool[1]'],
        ['100.86.0.9/32', 'nodeAttrs[0].ipPool[2]'],
      ],
    );
  });

  test('may be none', () => {
    for (const none of [[], null]) {
      assert.deepEqual(policyOf(pool(none, ['100.64.0.1'])).nodeAttributes[0]?.pool, []);
    }
  });

  test('anywhere else are refused with a reason', () => {
    const where = 'nodeAttrs[0].ipPool';
    assert.deepEqual(
      problemsOf(pool(['10.0.0.0/16', 'fd7a:115c:a1e0::/64', '100.0.0.0/8', 'group:ops', ''])),
      [
        `${where}[0]: IPPool(10.0.0.0/16): not within 100.64.0.0/10`,
        `${where}[1]: IPPool(fd7a:115c:a1e0::/64): not within 100.64.0.0/10`,
        `${where}[2]: IPPool(100.0.0.0/8): not within 100.64.0.0/10`,
        `${where}[3]: IPPool("group:ops"): not a prefix`,
        `${where}[4]: IPPool(""): not a prefix`,
      ],
    );
    assert.deepEqual(problemsOf(pool('100.81.0.0/16')), [
      `${where}: expected a list, not a string`,
    ]);
  });

  test('on what clients use themselves are refused in the words of the hosted service', () => {
    for (const text of [
      '100.100.100.0/24',
      '100.100.100.7/32',
      '100.100.0.0/16',
      '100.115.93.0/24',
      '100.64.0.0/10',
    ]) {
      const message = `nodeAttrs[0].ipPool[0]: IPPool(${text}): network within reserved range`;
      assert.deepEqual(problemsOf(pool([text])), [message]);
    }
    assert.deepEqual(hintsOf(pool(['100.115.93.0/24'])), [
      '100.115.92.0/23 is reserved for the clients themselves',
    ]);
  });

  test('are not for addresses, as a node that joins has none', () => {
    const say = 'an address is no target of an "ipPool": a node that joins has none yet';
    const target = ['tag:web', 'nas', '100.64.0.1', 'ipset:prod', '*'];
    assert.deepEqual(problemsOf(pool(['100.81.0.0/16'], target)), [
      `nodeAttrs[0].target[1]: ${say}`,
      `nodeAttrs[0].target[2]: ${say}`,
      `nodeAttrs[0].target[3]: ${say}`,
    ]);
  });

  test('are taken exactly when every address of theirs may be given to a node', () => {
    const reserved = [SERVICE_RANGE, CHROMEOS_RANGE, prefixOf(SERVICE_IPV4, 24)];
    fc.assert(
      fc.property(
        fc.integer({ min: 96, max: 130 }),
        fc.constantFrom(0, 92, 94, 100, 255),
        fc.constantFrom(0, 100, 128),
        fc.integer({ min: 6, max: 32 }),
        (second, third, fourth, bits) => {
          const text = `100.${second}.${third}.${fourth}/${bits}`;
          const whole = parsePrefix(`100.${second}.${third}.${fourth}/32`);
          assert.ok(whole.ok);
          const prefix = prefixOf(whole.value.network, bits);
          const free =
            containsPrefix(CGNAT, prefix) && !reserved.some((range) => overlaps(range, prefix));
          assert.equal(problemsOf(pool([text])).length === 0, free, text);
        },
      ),
    );
  });
});
