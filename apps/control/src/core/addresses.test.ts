import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { formatAddress, parseAddress } from '@malla/ip/address';
import { contains, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { node as sampleNode } from '../store/sample-rows.ts';
import type { Node } from '@malla/netmap/node';
import fc from 'fast-check';
import {
  type AddressPlan,
  type AddressPools,
  type Addresses,
  allocateAddresses,
  backfillAddresses,
  type Owner,
} from './addresses.ts';
import { EMPTY_SNAPSHOT, State } from './state.ts';

const p = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
};
const PLAN: AddressPlan = {
  v4: p('100.64.0.0/10'),
  v6: p('fd7a:115c:a1e0::/48'),
  allocation: 'sequential',
};

/** Deterministic bytes, different with each call. */
function seeded(seed = 1): (bytes: number) => Uint8Array {
  let state = seed;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 24;
    });
}

function nodeWith(id: number, addresses: Addresses): Node {
  return sampleNode(id, { tags: ['tag:test'], ...addresses });
}

const TAGGED: Owner = { userId: undefined, tags: ['tag:test'] };

/** Registers a node with fresh addresses. */
function register(
  state: State,
  plan: AddressPlan = PLAN,
  random = seeded(),
  owner: Owner = TAGGED,
): Node {
  const addresses = allocateAddresses(state, plan, owner, random);
  const after = { ...nodeWith(state.nextId('node'), addresses), ...owner };
  state.apply({ table: 'node', id: after.id, before: undefined, after });
  return after;
}

function remove(state: State, node: Node): void {
  state.apply({ table: 'node', id: node.id, before: node, after: undefined });
}

function first(families: Omit<AddressPlan, 'allocation'>): Addresses {
  return allocateAddresses(
    new State(),
    { ...families, allocation: 'sequential' },
    TAGGED,
    seeded(),
  );
}

function exhausted(message: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof MallaError && error.code === 'address.exhausted' && error.message === message;
}

describe('address allocation', () => {
  test('the first nodes get .1 and ::1, then .2 and ::2', () => {
    const state = new State();
    const addresses = [register(state), register(state)].map(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    assert.deepEqual(addresses, [
      ['100.64.0.1', 'fd7a:115c:a1e0::1'],
      ['100.64.0.2', 'fd7a:115c:a1e0::2'],
    ]);
  });

  test('a family without a prefix is off', () => {
    const { v4, v6 } = PLAN;
    assert.deepEqual(first({ v4 }), { ipv4: '100.64.0.1', ipv6: undefined });
    assert.deepEqual(first({ v6 }), { ipv4: undefined, ipv6: 'fd7a:115c:a1e0::1' });
  });

  test('a freed address waits until the prefix has been gone through', () => {
    const state = new State();
    const plan: AddressPlan = { v4: p('100.64.0.0/29'), allocation: 'sequential' };
    const nodes = [1, 2, 3].map(() => register(state, plan));
    remove(state, nodes[2]!);
    remove(state, nodes[0]!);
    const next = [1, 2, 3, 4, 5].map(() => register(state, plan).ipv4);
    const expected = ['100.64.0.4', '100.64.0.5', '100.64.0.6', '100.64.0.1', '100.64.0.3'];
    assert.deepEqual(next, expected);
  });

  test('an address whose registration could not be stored is not given out next', () => {
    const state = new State();
    const after = nodeWith(1, allocateAddresses(state, PLAN, TAGGED, seeded()));
    const change = { table: 'node', id: 1, before: undefined, after } as const;
    state.apply(change);
    state.revert(change);
    assert.equal(allocateAddresses(state, PLAN, TAGGED, seeded()).ipv4, '100.64.0.2');
  });

  test('after a restart it goes on after the newest node', () => {
    const before = new State();
    const nodes = [1, 2, 3].map(() => register(before));
    const state = new State({ ...EMPTY_SNAPSHOT, node: nodes.slice(1) });
    assert.equal(register(state).ipv4, '100.64.0.4');
  });

  test('a change of prefix starts at its beginning', () => {
    const state = new State();
    register(state);
    const plan: AddressPlan = { v4: p('100.80.0.0/16'), allocation: 'sequential' };
    assert.equal(register(state, plan).ipv4, '100.80.0.1');
  });

  test('reserved addresses are skipped', () => {
    const jumps = [
      ['100.99.255.255', '100.100.1.0'],
      ['100.100.100.99', '100.100.100.101'],
      ['100.115.91.255', '100.115.94.0'],
      ['100.127.255.254', '100.64.0.1'],
      ['fd7a:115c:a1e0::52', 'fd7a:115c:a1e0::54'],
      ['fd7a:115c:a1e0:b19:ffff:ffff:ffff:ffff', 'fd7a:115c:a1e0:b1b::'],
    ] as const;
    for (const [last, next] of jumps) {
      const six = last.includes(':');
      const node = nodeWith(1, { ipv4: six ? undefined : last, ipv6: six ? last : undefined });
      const given = register(new State({ ...EMPTY_SNAPSHOT, node: [node] }));
      assert.equal(six ? given.ipv6 : given.ipv4, next);
    }
  });

  test('a full prefix is refused with its name and size', () => {
    const sizes = {
      '100.64.0.0/30': 2,
      '100.64.0.0/31': 2,
      '100.64.0.7/32': 1,
      '100.100.0.0/24': 0,
    };
    for (const [prefix, size] of Object.entries(sizes)) {
      const state = new State();
      const plan: AddressPlan = { v4: p(prefix), allocation: 'sequential' };
      for (let i = 0; i < size; i++) register(state, plan);
      const message = `no free IPv4 address in ${prefix}: all ${size} are in use`;
      assert.throws(() => register(state, plan), exhausted(message));
    }
  });

  test('any churn gives unique, canonical, unreserved addresses until the prefix is full', () => {
    const prefixes = fc.constantFrom('100.64.0.0/29', '100.100.100.96/29', '100.115.91.240/28');
    fc.assert(
      fc.property(
        prefixes,
        fc.constantFrom('sequential' as const, 'random' as const),
        fc.array(fc.option(fc.nat(20)), { maxLength: 40 }),
        fc.nat(),
        (prefix, allocation, steps, seed) => {
          const plan: AddressPlan = { v4: p(prefix), allocation };
          const random = seeded(seed);
          const state = new State();
          const last = prefix.startsWith('100.100') ? 5 : prefix.endsWith('28') ? 14 : 6;
          for (const step of steps) {
            const nodes = [...state.nodes()];
            if (step !== null) {
              const node = nodes[step % (nodes.length || 1)];
              if (node !== undefined) remove(state, node);
            } else if (nodes.length === last) {
              assert.throws(() => register(state, plan, random), MallaError);
            } else {
              const address = register(state, plan, random).ipv4 ?? '';
              const parsed = parseAddress(address);
              assert.ok(parsed.ok && contains(p(prefix), parsed.value));
              assert.equal(formatAddress(parsed.value), address);
              assert.ok(!nodes.some((node) => node.ipv4 === address), address);
              assert.notEqual(address, '100.100.100.100');
            }
          }
        },
      ),
    );
  });

  test('random addresses fall all over the prefix', () => {
    const state = new State();
    const random = seeded();
    const thirds = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const node = register(state, { ...PLAN, allocation: 'random' }, random);
      thirds.add(`${node.ipv4?.split('.')[1]}`);
    }
    assert.ok(thirds.size > 50, `${thirds.size} of 64 second octets`);
  });

  test('ten thousand registrations ask once each whether an address is taken', () => {
    let asked = 0;
    class CountingState extends State {
      override addressTaken(address: string): boolean {
        asked++;
        return super.addressTaken(address);
      }
    }
    const state = new CountingState();
    for (let i = 0; i < 10_000; i++) register(state);
    assert.equal(asked, 20_000);
  });
});

/** Pools by tag. */
function pools(byTag: Readonly<Record<string, readonly string[]>>): AddressPools {
  return {
    poolFor: ({ tags }) => tags.flatMap((tag) => byTag[tag] ?? []).map(p),
    all: () => Object.values(byTag).flat().map(p),
  };
}

const owned = (tag: string): Owner => ({ userId: undefined, tags: [tag] });

describe('pools of the policy', () => {
  const WEB = owned('tag:web');
  const plan: AddressPlan = {
    ...PLAN,
    pools: pools({ 'tag:web': ['100.81.0.0/29', '100.80.0.0/30'] }),
  };

  test('give their nodes an IPv4 address, of all their prefixes in turn', () => {
    const state = new State();
    const nodes = [1, 2, 3, 4].map(() => register(state, plan, seeded(), WEB));
    assert.deepEqual(
      nodes.map(({ ipv4 }) => ipv4),
      ['100.80.0.1', '100.80.0.2', '100.81.0.1', '100.81.0.2'],
    );
    assert.deepEqual(
      nodes.map(({ ipv6 }) => ipv6),
      [1, 2, 3, 4].map((n) => `fd7a:115c:a1e0::${n}`),
    );
  });

  test('and everybody else go on where they were, each on its own', () => {
    const state = new State();
    const given = [TAGGED, WEB, TAGGED, WEB, TAGGED].map(
      (owner) => register(state, plan, seeded(), owner).ipv4,
    );
    assert.deepEqual(given, ['100.64.0.1', '100.80.0.1', '100.64.0.2', '100.80.0.2', '100.64.0.3']);
  });

  test('are kept for their nodes', () => {
    const state = new State();
    const narrow: AddressPlan = {
      v4: p('100.64.0.0/29'),
      allocation: 'sequential',
      pools: pools({ 'tag:web': ['100.64.0.0/30', '100.64.0.6/32'] }),
    };
    const given = [1, 2].map(() => register(state, narrow).ipv4);
    assert.deepEqual(given, ['100.64.0.4', '100.64.0.5']);
    const message =
      "no free IPv4 address in 100.64.0.0/29 outside the policy's pools: all 2 are in use";
    assert.throws(() => register(state, narrow), exhausted(message));
  });

  test('that are full refuse a node, by name', () => {
    const state = new State();
    for (let i = 0; i < 8; i++) register(state, plan, seeded(), WEB);
    const message =
      "no free IPv4 address in the policy's pool 100.81.0.0/29, 100.80.0.0/30: all 8 are in use";
    assert.throws(() => register(state, plan, seeded(), WEB), exhausted(message));
    assert.equal(register(state, plan).ipv4, '100.64.0.1');
  });

  test('outside the configured prefix have no address to give', () => {
    const small: AddressPlan = { ...plan, v4: p('100.64.0.0/16') };
    const message =
      "no free IPv4 address in the policy's pool 100.81.0.0/29, 100.80.0.0/30, as far as it lies in prefixes.v4, 100.64.0.0/16: all 0 are in use";
    assert.throws(() => register(new State(), small, seeded(), WEB), exhausted(message));
  });

  test('give nothing where IPv4 is off', () => {
    const { v4: _, ...six } = plan;
    const { ipv4, ipv6 } = register(new State(), six, seeded(), WEB);
    assert.deepEqual([ipv4, ipv6], [undefined, 'fd7a:115c:a1e0::1']);
  });

  test('go on after the newest of their nodes after a restart', () => {
    const before = new State();
    const nodes = [WEB, TAGGED, WEB, TAGGED].map((owner) =>
      register(before, plan, seeded(), owner),
    );
    const state = new State({ ...EMPTY_SNAPSHOT, node: nodes.slice(2) });
    assert.equal(register(state, plan, seeded(), WEB).ipv4, '100.81.0.1');
    assert.equal(register(state, plan).ipv4, '100.64.0.3');
  });

  test('under any churn give addresses of theirs that nobody has, until they are full', () => {
    const overlapping = {
      'tag:a': ['100.64.0.0/29'],
      'tag:b': ['100.64.0.4/30', '100.64.0.16/30', '100.64.1.0/30'],
    };
    const plan4 = { v4: p('100.64.0.0/27'), pools: pools(overlapping) };
    const free: Readonly<Record<string, readonly number[]>> = {
      'tag:a': [1, 2, 3, 4, 5, 6],
      'tag:b': [5, 6, 17, 18],
      'tag:c': [8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30],
    };
    const step = fc.oneof(fc.nat(20), fc.constantFrom('tag:a', 'tag:b', 'tag:c'));
    fc.assert(
      fc.property(
        fc.constantFrom('sequential' as const, 'random' as const),
        fc.array(step, { maxLength: 60 }),
        fc.nat(),
        (allocation, steps, seed) => {
          const random = seeded(seed);
          const state = new State();
          /** The last that was given of those for a tag, from when one is first asked for. */
          const lasts = new Map<string, number>();
          for (const each of steps) {
            const nodes = [...state.nodes()];
            if (typeof each === 'number') {
              const node = nodes[each % (nodes.length || 1)];
              if (node !== undefined) remove(state, node);
              continue;
            }
            const present = nodes.map(({ ipv4 }) => Number(ipv4?.split('.')[3]));
            const taken = new Set(present);
            const known = lasts.get(each) ?? present.findLast((last) => free[each]?.includes(last));
            lasts.set(each, known ?? 0);
            const left = (free[each] ?? []).filter((last) => !taken.has(last));
            const join = (): Node => register(state, { ...plan4, allocation }, random, owned(each));
            if (left.length === 0) {
              assert.throws(join, MallaError);
              continue;
            }
            const given = Number(join().ipv4?.split('.')[3]);
            assert.ok(left.includes(given), `${given} for ${each}`);
            if (allocation === 'sequential') {
              assert.equal(given, left.find((next) => next > (known ?? 0)) ?? left[0]);
            }
            for (const [tag, all] of Object.entries(free)) {
              if (lasts.has(tag) && all.includes(given)) lasts.set(tag, given);
            }
          }
        },
      ),
    );
  });

  test('are filled in for nodes that lack an IPv4 address, each node from its own', () => {
    const state = new State();
    const six: AddressPlan = { v6: PLAN.v6, allocation: 'sequential' };
    for (const owner of [WEB, TAGGED, WEB]) register(state, six, seeded(), owner);
    const { answer } = backfillAddresses(state, plan, {
      tailnet: FIRST_TAILNET,
      now: 0,
      random: seeded(),
    });
    assert.deepEqual(answer, [
      'assigned IPv4 "100.80.0.1" to Node(1) "host1"',
      'assigned IPv4 "100.64.0.1" to Node(2) "host2"',
      'assigned IPv4 "100.80.0.2" to Node(3) "host3"',
    ]);
  });
});

describe('address backfill', () => {
  const context = { tailnet: FIRST_TAILNET, now: 0, random: seeded() };

  test('nodes get the family that was added and lose the one that was removed', () => {
    const state = new State();
    const { v4, v6 } = PLAN;
    for (let i = 0; i < 2; i++) register(state, { v4, allocation: 'sequential' });
    const plan: AddressPlan = { v6, allocation: 'sequential' };
    const { changes, answer, durability } = backfillAddresses(state, plan, context);
    assert.equal(durability, 'now');
    assert.deepEqual(answer, [
      'removing IPv4 "100.64.0.1" from Node(1) "host1"',
      'assigned IPv6 "fd7a:115c:a1e0::1" to Node(1) "host1"',
      'removing IPv4 "100.64.0.2" from Node(2) "host2"',
      'assigned IPv6 "fd7a:115c:a1e0::2" to Node(2) "host2"',
    ]);
    for (const change of changes) state.apply(change);
    assert.equal(state.addressTaken('100.64.0.1'), false);
    assert.equal(state.node(2)?.ipv6, 'fd7a:115c:a1e0::2');
    assert.equal(register(state, PLAN).ipv6, 'fd7a:115c:a1e0::3');
  });

  test('nodes that fit stay untouched, also with an address outside the prefix', () => {
    const state = new State();
    register(state);
    const plan: AddressPlan = { ...PLAN, v4: p('100.80.0.0/16') };
    assert.deepEqual(backfillAddresses(state, plan, context).changes, []);
  });

  test('a prefix too small for all refuses the whole change', () => {
    const state = new State();
    for (let i = 0; i < 3; i++) register(state, { v6: PLAN.v6, allocation: 'sequential' });
    const plan: AddressPlan = { ...PLAN, v4: p('100.64.0.0/30') };
    const message = 'no free IPv4 address in 100.64.0.0/30: all 2 are in use';
    assert.throws(() => backfillAddresses(state, plan, context), exhausted(message));
  });
});
