import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { comparePrefixes, formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import fc from 'fast-check';
import { type Changed, Routing } from './primaries.ts';

const LAN = '10.0.0.0/24';
const EXIT = ['0.0.0.0/0', '::/0'];

describe('a prefix', () => {
  test('that is announced and approved is served by an online node', () => {
    const routing = new Routing();
    assert.deepEqual(routing.update(1, prefixes(LAN), prefixes(LAN)).served, ids());
    assert.equal(routing.primaryOf(prefix(LAN)), undefined);
    assert.deepEqual(routing.setOnline(1, true).served, ids(1));
    assert.equal(routing.primaryOf(prefix(LAN)), 1);
    assert.deepEqual(texts(routing.servedBy(1)), [LAN]);
    assert.deepEqual(routing.setOnline(1, false).served, ids(1));
    assert.deepEqual(routing.servedBy(1), []);
  });

  test('that is only announced, or only approved, is not served', () => {
    const routing = new Routing();
    routing.setOnline(1, true);
    routing.update(1, prefixes(LAN, '10.1.0.0/24'), prefixes('10.1.0.0/24', '10.2.0.0/24'));
    assert.deepEqual(texts(routing.servedBy(1)), ['10.1.0.0/24']);
    assert.deepEqual(routing.candidates(prefix(LAN)), []);
    assert.deepEqual(routing.update(1, [], prefixes('10.1.0.0/24')).served, ids(1));
    assert.deepEqual(routing.servedBy(1), []);
  });

  test('inside another has a primary of its own', () => {
    const routing = pair(LAN, '10.0.0.0/8');
    assert.equal(routing.primaryOf(prefix(LAN)), 1);
    assert.equal(routing.primaryOf(prefix('10.0.0.0/8')), 2);
    assert.equal(routing.hasRival(1), false);
  });

  test('of 4via6 is one like any other', () => {
    const site = 'fd7a:115c:a1e0:b1a:0:7:a00:0/120';
    const routing = pair(site, site);
    assert.equal(routing.primaryOf(prefix(site)), 1);
    assert.deepEqual(routing.setOnline(1, false).served, ids(1, 2));
    assert.equal(routing.primaryOf(prefix(site)), 2);
  });
});

describe('of two routers for one prefix', () => {
  test('the one with the lower id is the first primary, and only that one serves', () => {
    const routing = new Routing();
    routing.update(2, prefixes(LAN), prefixes(LAN));
    routing.update(1, prefixes(LAN), prefixes(LAN));
    assert.deepEqual(routing.candidates(prefix(LAN)), [1, 2]);
    routing.setOnline(1, true);
    assert.equal(routing.hasRival(1), false);
    assert.deepEqual(routing.setOnline(2, true).served, ids());
    assert.equal(routing.primaryOf(prefix(LAN)), 1);
    assert.deepEqual(routing.servedBy(2), []);
    assert.deepEqual([routing.hasRival(1), routing.hasRival(2)], [true, true]);
  });

  test('the other takes over when the primary goes, falls ill, is deleted or withdraws', () => {
    const ends: ((routing: Routing) => unknown)[] = [
      (routing) => assert.deepEqual(routing.setOnline(1, false).served, ids(1, 2)),
      (routing) => assert.deepEqual(routing.setHealthy([1], false).served, ids(1, 2)),
      (routing) => assert.deepEqual(routing.remove(1).served, ids(1, 2)),
      (routing) => assert.deepEqual(routing.update(1, prefixes(LAN), []).served, ids(1, 2)),
      (routing) => assert.deepEqual(routing.update(1, [], prefixes(LAN)).served, ids(1, 2)),
    ];
    for (const end of ends) {
      const routing = pair(LAN, LAN);
      end(routing);
      assert.equal(routing.primaryOf(prefix(LAN)), 2);
      assert.deepEqual(routing.servedBy(1), []);
    }
  });

  test('one that comes back takes nothing back', () => {
    const routing = pair(LAN, LAN);
    routing.setOnline(1, false);
    assert.deepEqual(routing.setOnline(1, true).served, ids());
    assert.equal(routing.primaryOf(prefix(LAN)), 2);
    routing.setHealthy([2], false);
    assert.deepEqual(routing.setHealthy([2], true).served, ids());
    assert.equal(routing.primaryOf(prefix(LAN)), 1);
  });

  test('the primary stays when both are ill, and goes when it is offline', () => {
    const routing = pair(LAN, LAN);
    routing.setHealthy([1], false);
    assert.deepEqual(routing.setHealthy([2], false).served, ids());
    assert.equal(routing.primaryOf(prefix(LAN)), 2);
    routing.setHealthy([1, 2], true);
    assert.deepEqual(routing.setHealthy([2, 1], false).served, ids(), 'both at once');
    routing.setOnline(2, false);
    assert.equal(routing.primaryOf(prefix(LAN)), 1, 'an ill router is better than none');
    routing.setOnline(1, false);
    assert.equal(routing.primaryOf(prefix(LAN)), undefined);
    routing.setOnline(2, true);
    assert.equal(routing.primaryOf(prefix(LAN)), 2);
  });
});

describe('somebody who may use some routers only', () => {
  test('uses the primary if that is one of them, else the one that has been up for longest', () => {
    const routing = new Routing();
    for (const id of [1, 2, 3]) routing.update(id, prefixes(LAN), prefixes(LAN));
    const choose = (...among: readonly number[]): number | undefined =>
      routing.choose(prefix(LAN), among);
    assert.equal(choose(2, 3), 2, 'nobody is up');
    for (const id of [1, 3, 2]) routing.setOnline(id, true);
    assert.deepEqual([choose(1, 2, 3), choose(2, 3), choose(2), choose()], [1, 3, 2, undefined]);
    assert.deepEqual(routing.setHealthy([3], false).rivals, ids(1, 2, 3));
    assert.equal(choose(2, 3), 2);
    routing.setHealthy([3], true);
    assert.equal(choose(2, 3), 2, 'one that comes back takes nothing back');
    routing.setOnline(1, false);
    assert.equal(choose(2, 3), 2);
    routing.setOnline(2, false);
    assert.equal(choose(2, 3), 3);
  });
});

describe('exit nodes', () => {
  test('serve both default routes, all of them, online or not, after what they are primary for', () => {
    const routing = new Routing();
    for (const id of [1, 2]) {
      const both = prefixes(...EXIT, '2001:db8::/32');
      assert.deepEqual(routing.update(id, both, both).served, ids(id));
      assert.deepEqual(texts(routing.servedBy(id)), EXIT);
    }
    routing.setOnline(1, true);
    routing.setOnline(2, true);
    assert.deepEqual(texts(routing.servedBy(1)), ['2001:db8::/32', ...EXIT]);
    assert.deepEqual(texts(routing.primaryRoutesOf(1)), ['2001:db8::/32']);
    assert.deepEqual(texts(routing.servedBy(2)), EXIT);
    assert.equal(routing.primaryOf(prefix('0.0.0.0/0')), undefined);
  });

  test('have no rivals', () => {
    const routing = new Routing();
    for (const id of [1, 2]) {
      routing.update(id, prefixes(...EXIT), prefixes(...EXIT));
      routing.setOnline(id, true);
    }
    assert.equal(routing.hasRival(1), false);
  });

  test('need both default routes', () => {
    const routing = new Routing();
    for (const route of EXIT) {
      routing.update(1, prefixes(...EXIT), prefixes(route));
      assert.equal(routing.isExitNode(1), false);
      routing.update(1, prefixes(route), prefixes(...EXIT));
      assert.equal(routing.isExitNode(1), false);
      assert.deepEqual(routing.servedBy(1), []);
    }
  });
});

/** The rules again, slowly, from everything that is known. */
class Oracle {
  readonly nodes = new Map<
    number,
    { announced: readonly string[]; approved: readonly string[]; online: boolean; healthy: boolean }
  >();
  primaries = new Map<string, number>();

  elect(): void {
    const before = this.primaries;
    this.primaries = new Map();
    for (const text of TEXTS.filter((route) => !EXIT.includes(route))) {
      const online = [...this.nodes.keys()].filter((id) => this.#couldServe(id, text));
      const healthy = online.filter((id) => this.nodes.get(id)?.healthy);
      const previous = before.get(text) ?? 0;
      const choice = healthy.length > 0 ? healthy : online;
      const after = choice.includes(previous) ? previous : Math.min(...choice);
      if (choice.length > 0) this.primaries.set(text, after);
    }
  }

  servedBy(id: number): readonly string[] {
    const primary = TEXTS.filter((text) => this.primaries.get(text) === id);
    const node = this.nodes.get(id);
    const all = [...(node?.announced ?? []), ...(node?.approved ?? [])];
    const isExit = EXIT.every((text) => all.filter((route) => route === text).length === 2);
    return [...primary, ...(isExit ? EXIT : [])];
  }

  #couldServe(id: number, text: string): boolean {
    const node = this.nodes.get(id);
    return (
      node !== undefined &&
      node.online &&
      node.announced.includes(text) &&
      node.approved.includes(text)
    );
  }
}

const TEXTS = texts(
  prefixes(...EXIT, LAN, '10.0.0.0/8', '192.168.0.0/16', '2001:db8::/32').toSorted(comparePrefixes),
);
const IDS = [1, 2, 3, 4];

const routes = fc.subarray([...TEXTS]);
const step = fc.oneof(
  fc.record({
    kind: fc.constant('update' as const),
    id: fc.constantFrom(...IDS),
    announced: routes,
    approved: routes,
  }),
  fc.record({ kind: fc.constant('remove' as const), id: fc.constantFrom(...IDS) }),
  fc.record({
    kind: fc.constantFrom('online' as const, 'healthy' as const),
    id: fc.constantFrom(...IDS),
    is: fc.boolean(),
  }),
);

describe('after any history', () => {
  test('every node serves what the rules say, and who serves something else now was named', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const routing = new Routing();
        const oracle = new Oracle();
        for (const now of steps) {
          const before = new Map(IDS.map((id) => [id, oracle.servedBy(id)]));
          const chosen = choices(routing);
          const changed = apply(routing, oracle, now);
          oracle.elect();
          const expected = IDS.filter(
            (id) => oracle.servedBy(id).join() !== before.get(id)?.join(),
          );
          assert.deepEqual(changed.served, new Set(expected));
          for (const [key, choice] of choices(routing)) {
            const was = chosen.get(key) ?? choice;
            if (choice !== was) assert.ok(changed.rivals.has(choice) && changed.rivals.has(was));
          }
          for (const id of IDS) {
            assert.deepEqual(texts(routing.servedBy(id)), oracle.servedBy(id));
            assert.deepEqual(texts(routing.primaryRoutesOf(id)), primariesOf(oracle, id));
          }
          for (const text of TEXTS) {
            assert.equal(routing.primaryOf(prefix(text)), oracle.primaries.get(text));
          }
        }
      }),
    );
  });

  test('nothing is kept of nodes that are gone', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const routing = new Routing();
        for (const now of steps) apply(routing, new Oracle(), now);
        for (const id of IDS) routing.remove(id);
        for (const id of IDS) assert.equal(routing.isCandidate(id), false);
        for (const text of TEXTS) assert.deepEqual(routing.candidates(prefix(text)), []);
        for (const id of IDS) assert.equal(routing.isHealthy(id), true);
      }),
    );
  });
});

/** Who is chosen, by prefix and by those candidates for it that may be. */
function choices(routing: Routing): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const text of TEXTS) {
    const candidates = routing.candidates(prefix(text));
    for (let subset = 1; subset < 1 << IDS.length; subset++) {
      const among = IDS.filter((_, bit) => (subset >> bit) % 2 === 1);
      if (!among.every((id) => candidates.includes(id))) continue;
      const choice = routing.choose(prefix(text), among);
      assert.ok(choice !== undefined && among.includes(choice));
      out.set(`${text} ${among.join()}`, choice);
    }
  }
  return out;
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function apply(routing: Routing, oracle: Oracle, now: Step): Changed {
  const { id } = now;
  if (now.kind === 'remove') {
    oracle.nodes.delete(id);
    return routing.remove(id);
  }
  let node = oracle.nodes.get(id);
  if (node === undefined) {
    node = { announced: [], approved: [], online: false, healthy: true };
    oracle.nodes.set(id, node);
  }
  if (now.kind === 'update') {
    const { announced, approved } = now;
    Object.assign(node, { announced, approved });
    return routing.update(id, prefixes(...announced), prefixes(...approved));
  }
  node[now.kind] = now.is;
  return now.kind === 'online' ? routing.setOnline(id, now.is) : routing.setHealthy([id], now.is);
}

function primariesOf(oracle: Oracle, id: number): readonly string[] {
  return TEXTS.filter((text) => oracle.primaries.get(text) === id);
}

/** Routers 1 and 2, online, each with a route. */
function pair(first: string, second: string): Routing {
  const routing = new Routing();
  for (const [id, route] of [
    [1, first],
    [2, second],
  ] as const) {
    routing.update(id, prefixes(route), prefixes(route));
    routing.setOnline(id, true);
  }
  return routing;
}

function ids(...of: readonly number[]): ReadonlySet<number> {
  return new Set(of);
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

function prefixes(...of: readonly string[]): Prefix[] {
  return of.map(prefix);
}

function texts(of: readonly Prefix[]): readonly string[] {
  return of.map(formatPrefix);
}
