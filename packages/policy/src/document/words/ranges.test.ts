import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDRESS_BITS } from '@malla/ip/address';
import {
  contains,
  formatPrefix,
  parsePrefixOrAddress,
  type Prefix,
  prefixOf,
} from '@malla/ip/prefix';
import fc from 'fast-check';
import { applySteps, type Step } from './ranges.ts';

describe('a set of addresses made by steps', () => {
  test('later steps decide', () => {
    assert.deepEqual(after('+10.0.0.0/8', '-10.0.0.0/9'), ['10.128.0.0/9']);
    assert.deepEqual(after('-10.0.0.0/9', '+10.0.0.0/8'), ['10.0.0.0/8']);
    assert.deepEqual(after('+::/0', '-8000::/1', '+ff00::/8'), ['::/1', 'ff00::/8']);
  });

  test('neighbours become the fewest prefixes, in order, IPv4 first', () => {
    assert.deepEqual(after('+fd00::/8', '+10.1.0.0/16', '+10.0.0.0/16', '+10.2.0.0/15'), [
      '10.0.0.0/14',
      'fd00::/8',
    ]);
    assert.deepEqual(after('+0.0.0.0/1', '+128.0.0.0/1'), ['0.0.0.0/0']);
    assert.deepEqual(after('-10.0.0.0/8'), []);
  });

  test('that would be left with too many prefixes is none', () => {
    const all: readonly Step[] = [step('+::/0'), step('-::1')];
    assert.equal(applySteps(all, 128)?.length, 128);
    assert.equal(applySteps(all, 127), undefined);
  });

  test('an address is in the set if the last step that covers it adds', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 12 }), prefixes, (all, { network }) => {
        const last = all.findLast(({ prefix }) => contains(prefix, network));
        const result = applySteps(all, 10_000) ?? [];
        const holding = result.filter((prefix) => contains(prefix, network));
        assert.equal(holding.length, last?.add === true ? 1 : 0);
        const again = result.map((prefix) => ({ add: true, prefix }));
        assert.deepEqual(applySteps(again, 10_000), result);
      }),
      { numRuns: 2_000 },
    );
  });
});

// Few distinct addresses, so that prefixes often meet.
const prefixes: fc.Arbitrary<Prefix> = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    top: fc.nat(7),
    low: fc.nat(7),
    bits: fc.nat(128),
  })
  .map(({ family, top, low, bits }) => {
    const width = ADDRESS_BITS[family];
    const value = (BigInt(top) << BigInt(width - 3)) | BigInt(low);
    return prefixOf({ family, value }, Math.min(bits, width));
  });
const steps: fc.Arbitrary<Step> = fc.record({ add: fc.boolean(), prefix: prefixes });

function after(...texts: readonly string[]): readonly string[] {
  return applySteps(texts.map(step), 10_000)?.map(formatPrefix) ?? [];
}

function step(text: string): Step {
  const prefix = parsePrefixOrAddress(text.slice(1));
  assert.ok(prefix.ok, text);
  return { add: text.startsWith('+'), prefix: prefix.value };
}
