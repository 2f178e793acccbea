import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Budget, type Lease } from './budget.ts';
import type { Shortage } from './shortage.ts';

const LIMITS = { total: 10, each: 6 } as const;

function budgetOf(limits: Partial<ConstructorParameters<typeof Budget>[0]> = {}): {
  readonly budget: Budget;
  readonly shortages: Shortage[];
} {
  const shortages: Shortage[] = [];
  const onShortage = (shortage: Shortage): void => void shortages.push(shortage);
  const budget = new Budget({
    name: 'things',
    strangers: LIMITS,
    known: LIMITS,
    onShortage,
    ...limits,
  });
  return { budget, shortages };
}

function taken(lease: Lease | undefined): Lease {
  assert.ok(lease !== undefined);
  return lease;
}

/** Takes a lease of 1 for an address, whose loss is written down by a name. */
function lend(budget: Budget, lost: string[]): (address: string, name: string) => Lease {
  return (address, name) => taken(budget.take(address, 1, () => lost.push(name)));
}

describe('a budget', () => {
  test('gives one address no more than its share, and leaves the rest to others', () => {
    const { budget, shortages } = budgetOf();
    taken(budget.take('192.0.2.1', 6));
    assert.equal(budget.take('192.0.2.1', 1), undefined);
    taken(budget.take('192.0.2.2', 4));
    assert.deepEqual(shortages, [
      { budget: 'things', purse: 'strangers', cause: 'share', holder: '192.0.2.1' },
    ]);
    assert.deepEqual(budget.strangers.refused, { share: 1, total: 0 });
  });

  test('gives all together no more than there is', () => {
    const { budget, shortages } = budgetOf();
    taken(budget.take('192.0.2.1', 6));
    taken(budget.take('192.0.2.2', 4));
    assert.equal(budget.take('192.0.2.3', 1), undefined);
    assert.deepEqual(
      shortages.map(({ cause, holder }) => [cause, holder]),
      [['total', '192.0.2.3']],
    );
  });

  test('counts the addresses of an IPv6 network as one', () => {
    const { budget } = budgetOf();
    taken(budget.take('2001:db8::1', 3));
    taken(budget.take('2001:db8::2', 3));
    assert.equal(budget.take('2001:db8::3', 1), undefined);
    assert.equal(budget.strangers.usedBy('2001:db8::/64'), 6);
  });

  test('gets back what is released, once', () => {
    const { budget } = budgetOf();
    const lease = taken(budget.take('192.0.2.1', 6));
    lease.release();
    lease.release();
    lease.shrink(1);
    assert.equal(budget.strangers.used, 0);
    assert.equal(budget.strangers.holderCount, 0);
  });

  test('lets a lease grow as far as there is room, all or nothing', () => {
    const { budget } = budgetOf();
    const lease = taken(budget.take('192.0.2.1', 0));
    assert.equal(lease.grow(5), true);
    assert.equal(lease.grow(2), false);
    assert.equal(lease.amount, 5);
    lease.shrink(3);
    assert.equal(lease.grow(4), true);
    assert.equal(budget.strangers.used, 6);
  });

  test('knows no strangers’ limits for who is known, and the other way round', () => {
    const { budget } = budgetOf();
    taken(budget.take('192.0.2.1', 6));
    taken(budget.take('192.0.2.2', 4));
    const node = taken(budget.takeKnown('mkey:a', 6));
    assert.equal(node.isKnown, true);
    taken(budget.takeKnown('mkey:b', 4));
    assert.equal(budget.takeKnown('mkey:c', 1), undefined);
    assert.equal(budget.known.refused.total, 1);
  });

  test('moves a lease to the purse of the known, and makes room among strangers', () => {
    const { budget } = budgetOf();
    const lease = taken(budget.take('192.0.2.1', 6));
    assert.equal(lease.promote('mkey:a'), true);
    assert.equal(lease.promote('mkey:a'), true);
    assert.deepEqual([budget.strangers.used, budget.known.usedBy('mkey:a')], [0, 6]);
    assert.equal(budget.takeKnown('mkey:a', 1), undefined);
    taken(budget.take('192.0.2.1', 6));
    lease.release();
    assert.equal(budget.known.used, 0);
  });

  test('leaves a lease where it is when the known have no room', () => {
    const { budget } = budgetOf();
    taken(budget.takeKnown('mkey:a', 5));
    const lease = taken(budget.take('192.0.2.1', 2));
    assert.equal(lease.promote('mkey:a'), false);
    assert.deepEqual([lease.isKnown, lease.amount, budget.strangers.used], [false, 2, 2]);
  });

  test('moves a lease to another address, or takes it where that has no room', () => {
    const { budget } = budgetOf();
    const lease = taken(budget.take('192.0.2.1', 2));
    assert.equal(lease.assign('192.0.2.2'), true);
    assert.equal(budget.strangers.usedBy('192.0.2.2'), 2);
    taken(budget.take('192.0.2.3', 5));
    assert.equal(lease.assign('192.0.2.3'), false);
    assert.deepEqual([lease.amount, budget.strangers.used], [0, 5]);
  });
});

describe('leases that may be taken back', () => {
  test('go oldest first from an address that wants more than its share', () => {
    const { budget, shortages } = budgetOf({ strangers: { total: 10, each: 2 } });
    const lost: string[] = [];
    const take = lend(budget, lost);
    take('192.0.2.1', 'a');
    take('192.0.2.2', 'other');
    take('192.0.2.1', 'b');
    const c = take('192.0.2.1', 'c');
    assert.deepEqual(lost, ['a']);
    assert.equal(c.amount, 1);
    assert.equal(budget.strangers.evicted, 1);
    assert.equal(shortages[0]?.cause, 'evicted');
  });

  test('stay as long as they are used', () => {
    const { budget } = budgetOf({ strangers: { total: 10, each: 2 } });
    const lost: string[] = [];
    const take = lend(budget, lost);
    const a = take('192.0.2.1', 'a');
    take('192.0.2.1', 'b');
    a.touch();
    take('192.0.2.1', 'c');
    assert.deepEqual(lost, ['b']);
  });

  test('go from the address that has most when all is used', () => {
    const { budget } = budgetOf({ strangers: { total: 5, each: 4 } });
    const lost: string[] = [];
    const take = lend(budget, lost);
    take('192.0.2.9', 'one');
    for (const name of ['a', 'b', 'c', 'd']) take('192.0.2.1', name);
    take('192.0.2.8', 'two');
    take('192.0.2.8', 'three');
    assert.deepEqual(lost, ['a', 'b']);
  });

  test('go from the address that asks when none has more', () => {
    const { budget } = budgetOf({ strangers: { total: 4, each: 4 } });
    const lost: string[] = [];
    const take = lend(budget, lost);
    take('192.0.2.1', 'a');
    take('192.0.2.2', 'b');
    take('192.0.2.1', 'c');
    take('192.0.2.2', 'd');
    take('192.0.2.2', 'e');
    assert.deepEqual(lost, ['b']);
  });

  test('do not go for one that grows itself, nor for what there will never be room for', () => {
    const { budget } = budgetOf();
    const lost: string[] = [];
    const take = lend(budget, lost);
    const lease = take('192.0.2.1', 'a');
    assert.equal(lease.grow(6), false);
    assert.equal(budget.take('192.0.2.2', 11), undefined);
    assert.deepEqual(lost, []);
  });

  test('are a machine’s own beyond its share', () => {
    const { budget } = budgetOf({ known: { total: 10, each: 1 } });
    const lost: string[] = [];
    const take = lend(budget, lost);
    for (const name of ['a', 'b']) assert.ok(take('192.0.2.1', name).promote('mkey:a'));
    assert.deepEqual(lost, ['a']);
    assert.deepEqual([budget.strangers.used, budget.known.used], [0, 1]);
  });
});

test('whatever is done, what is used is what leases hold, and within the limits', () => {
  const address = fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1');
  const name = fc.constantFrom('mkey:a', 'mkey:b');
  const amount = fc.integer({ min: 0, max: 7 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('take' as const), address, amount, evict: fc.boolean() }),
    fc.record({ do: fc.constant('takeKnown' as const), name, amount, evict: fc.boolean() }),
    fc.record({
      do: fc.constantFrom('grow' as const, 'shrink' as const),
      at: fc.nat(20),
      amount,
    }),
    fc.record({ do: fc.constantFrom('touch' as const, 'release' as const), at: fc.nat(20) }),
    fc.record({ do: fc.constant('assign' as const), at: fc.nat(20), address }),
    fc.record({ do: fc.constant('promote' as const), at: fc.nat(20), name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { budget } = budgetOf();
      const leases: Lease[] = [];
      for (const each of steps) {
        if (each.do === 'take' || each.do === 'takeKnown') {
          const evict = each.evict ? (): void => {} : undefined;
          const lease =
            each.do === 'take'
              ? budget.take(each.address, each.amount, evict)
              : budget.takeKnown(each.name, each.amount, evict);
          if (lease !== undefined) leases.push(lease);
        } else {
          const lease = leases[each.at % Math.max(1, leases.length)];
          if (each.do === 'grow') lease?.grow(each.amount);
          else if (each.do === 'shrink') lease?.shrink(each.amount);
          else if (each.do === 'touch') lease?.touch();
          else if (each.do === 'release') lease?.release();
          else if (each.do === 'assign') lease?.assign(each.address);
          else if (each.do === 'promote') lease?.promote(each.name);
        }
        for (const [purse, isKnown] of [
          [budget.strangers, false],
          [budget.known, true],
        ] as const) {
          const held = leases.filter((lease) => lease.isKnown === isKnown);
          assert.equal(
            purse.used,
            held.reduce((sum, lease) => sum + lease.amount, 0),
          );
          assert.ok(purse.used <= LIMITS.total);
          for (const one of ['192.0.2.1', '192.0.2.2', '2001:db8::/64', 'mkey:a', 'mkey:b']) {
            assert.ok(purse.usedBy(one) <= LIMITS.each);
          }
        }
      }
      for (const lease of leases) lease.release();
      assert.equal(budget.strangers.holderCount + budget.known.holderCount, 0);
    }),
  );
});
