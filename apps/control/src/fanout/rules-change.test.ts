import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../core/change.ts';
import { believed, Client, expected, FanoutWorld } from '../testing/fanout-world.ts';
import { testNode, testUser } from '../testing/rows.ts';
import { Common } from './change-log.ts';
import type { RulesChange } from './class-views.ts';
import { SLICE_MS } from './fanout.ts';
import type { MapStream } from './map-stream.ts';
import { allowAll, type ClassKey, type Rules, sameUser } from './rules.ts';

const CLASSES = ['a', 'b', 'c'] as const;
const ROUTES = ['10.0.0.0/8', '192.168.0.0/16', '0.0.0.0/0'] as const;

/** Rules that a test changes by hand. */
class TableRules implements Rules {
  readonly classes = new Map<number, ClassKey>();
  readonly links = new Set<string>();
  readonly hidden = new Set<string>();
  readonly filters = new Map<ClassKey, Map<string, string>>();
  readonly sshOf = new Map<ClassKey, number>();

  classOf({ id }: { readonly id: number }): ClassKey {
    return this.classes.get(id) ?? 'a';
  }

  seenBy(viewer: ClassKey): readonly ClassKey[] {
    return CLASSES.filter((seen) => this.links.has(link(viewer, seen)));
  }

  visibleRoutes(viewer: ClassKey, _router: number, served: readonly string[]): readonly string[] {
    return served.filter((route) => !this.hidden.has(`${viewer} ${route}`));
  }

  tellsIpv4(): boolean {
    return true;
  }

  filter(of: ClassKey): ReadonlyMap<string, string> {
    return this.filters.get(of) ?? new Map();
  }

  ssh(of: ClassKey): string {
    const action = { sessionDuration: this.sshOf.get(of) ?? 0 };
    return JSON.stringify({ rules: [{ principals: [], sshUsers: {}, action }] });
  }
}

/** A part of a filter, another for each number. */
function rulesFrom(number: number): string {
  return JSON.stringify([{ SrcIPs: [`100.64.0.${number}`] }]);
}

function link(a: ClassKey, b: ClassKey): string {
  return [a, b].toSorted().join(' ');
}

function change(fields: Partial<RulesChange>): RulesChange {
  return {
    reclassed: [],
    filters: new Map(),
    ssh: [],
    attributes: [],
    visibility: false,
    ...fields,
  };
}

describe('a change of rules', () => {
  test('tells a node that another class is its own what it sees more and less, and nothing it knows', () => {
    const rules = new TableRules();
    for (const id of [1, 2, 3]) rules.classes.set(id, CLASSES[id - 1] ?? 'a');
    for (const pair of ['a b', 'c c', 'b c']) rules.links.add(pair);
    const world = new FanoutWorld(rules, 1, [{}, {}, {}]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    assert.deepEqual([...client.netmap.peers.keys()], [2]);
    rules.classes.set(1, 'c');
    world.fanout.apply([], change({ reclassed: [1] }));
    world.settle();
    assert.deepEqual(new Set(client.netmap.peers.keys()), new Set([2, 3]));
    assert.equal(client.netmap.messages, 2);
    assert.ok(!client.ended);
    const last = client.messages.at(-1);
    const changed = (last?.['PeersChanged'] ?? []) as readonly { ID: number }[];
    assert.deepEqual(
      changed.map(({ ID }) => ID),
      [3],
    );
    assert.equal(last?.['PeersRemoved'], undefined);
  });

  test('does not keep from a node whose it is, whether or not nodes of its class see each other', () => {
    const rules = new TableRules();
    rules.links.add('c c');
    const world = new FanoutWorld(rules, 2, [{ userId: 1 }, { userId: 2 }]);
    const client = new Client('zstd');
    world.open(1, client, 'zstd');
    world.settle();
    const nameOf = (id: number): unknown => client.netmap.users.get(id)?.['LoginName'];
    assert.deepEqual([nameOf(1), nameOf(2)], ['user1', undefined]);
    const before = world.state.user(1);
    const user: Change = { table: 'user', id: 1, before, after: testUser(1, 'renamed') };
    world.state.apply(user);
    world.fanout.apply([user]);
    world.settle();
    assert.deepEqual([nameOf(1), nameOf(2)], ['renamed', undefined]);
    for (const [userId, to] of [
      [2, 'a'],
      [1, 'b'],
      [2, 'c'],
    ] as const) {
      client.netmap.users.clear();
      rules.classes.set(1, to);
      world.change(1, { userId });
      world.settle();
      assert.equal(nameOf(userId), userId === 1 ? 'renamed' : 'user2');
    }
  });

  test('tells the last node of a class also what changes while or after it leaves that class', () => {
    const rules = new TableRules();
    for (const [id, key] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'b'],
    ] as const) {
      rules.classes.set(id, key);
    }
    for (const pair of ['a b', 'b b', 'b c', 'c c']) rules.links.add(pair);
    const world = new FanoutWorld(rules, 2, [{}, {}, { userId: 2 }]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    for (const id of [1, 3]) rules.classes.set(id, 'c');
    const before = world.node(3);
    const tagged: Change = { table: 'node', id: 3, before, after: { ...before, userId: 1 } };
    world.state.apply(tagged);
    world.fanout.apply([tagged], change({ reclassed: [1] }));
    world.change(2, { name: 'renamed' });
    const user: Change = {
      table: 'user',
      id: 1,
      before: world.state.user(1),
      after: testUser(1, 'ann'),
    };
    world.state.apply(user);
    world.fanout.apply([user]);
    world.fanout.commonChanged(Common.derpMap);
    world.settle();
    assert.ok(!client.ended);
    assert.equal(client.messages.length, 2);
    assert.deepEqual(believed(client), expected(world, rules, 1));
    assert.equal(client.netmap.users.get(1)?.['LoginName'], 'ann');
    assert.ok(client.messages[1]?.['DERPMap']);
  });

  test('sends only the parts of a filter that differ, and takes away those that are gone', () => {
    const rules = new TableRules();
    rules.filters.set(
      'a',
      new Map([
        ['one', rulesFrom(1)],
        ['two', rulesFrom(2)],
      ]),
    );
    const world = new FanoutWorld(rules, 1, [{}]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    assert.deepEqual(client.netmap.packetFilters, {
      one: JSON.parse(rulesFrom(1)),
      two: JSON.parse(rulesFrom(2)),
    });
    rules.filters.set('a', new Map([['two', rulesFrom(3)]]));
    world.fanout.apply([], change({ filters: new Map([['a', new Set(['one', 'two'])]]) }));
    world.settle();
    const PacketFilters = { one: null, two: JSON.parse(rulesFrom(3)) };
    assert.deepEqual(client.messages.at(-1), { PacketFilters });
  });

  test('from none to a policy and back is told on the same stream', () => {
    const world = new FanoutWorld(allowAll, 2, [{ userId: 1 }, { userId: 2 }]);
    const client = new Client('zstd');
    world.open(1, client, 'zstd');
    world.settle();
    assert.equal(client.netmap.peers.size, 1);
    world.fanout.setRules(sameUser);
    world.settle();
    assert.equal(client.netmap.peers.size, 0);
    world.fanout.setRules(allowAll);
    world.settle();
    assert.equal(client.netmap.peers.size, 1);
    assert.ok(!client.ended);
    assert.deepEqual(Object.keys(client.netmap.packetFilters), ['base']);
  });

  test('after any history leaves every client believing what is true', () => {
    fc.assert(
      fc.property(
        fc.array(operation(), { maxLength: 80 }),
        fc.nat(SLICE_MS),
        (operations, tick) => {
          const rules = new TableRules();
          const world = new FanoutWorld(
            rules,
            1,
            Array.from({ length: 6 }, () => ({})),
          );
          world.tickMs = tick;
          const clients = new Map<number, { client: Client; stream: MapStream }>();
          for (const op of operations) op(world, rules, clients);
          for (const { client, stream } of clients.values()) {
            client.stalled = false;
            world.fanout.writable(stream);
          }
          world.settle();
          for (const [id, { client }] of clients) {
            if (client.ended) continue;
            assert.deepEqual(believed(client), expected(world, rules, id));
            const key = rules.classOf({ id });
            const filter: Record<string, unknown> = {};
            for (const [name, text] of rules.filter(key)) filter[name] = JSON.parse(text);
            assert.deepEqual(client.netmap.packetFilters, filter);
            assert.deepEqual(client.netmap.sshPolicy, JSON.parse(rules.ssh(key)));
            const routes = world.served.get(id) ?? [];
            const addresses = client.netmap.self?.['Addresses'] as string[];
            assert.deepEqual(client.netmap.self?.['AllowedIPs'], [...addresses, ...routes]);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

type Operation = (
  world: FanoutWorld,
  rules: TableRules,
  clients: Map<number, { client: Client; stream: MapStream }>,
) => void;

function operation(): fc.Arbitrary<Operation> {
  const id = fc.integer({ min: 1, max: 7 });
  const key = fc.constantFrom(...CLASSES);
  const ids = fc.uniqueArray(id, { maxLength: 4 });
  return fc.oneof(
    fc.tuple(ids, key, fc.boolean()).map(([moved, to, renamed]): Operation => (world, rules) => {
      for (const one of moved) rules.classes.set(one, to);
      const first = moved[0];
      if (renamed && first !== undefined && world.state.node(first) !== undefined) {
        const before = world.node(first);
        const after = { ...before, name: `${before.name}x` };
        const row = { table: 'node', id: first, before, after } as const;
        world.state.apply(row);
        world.fanout.apply([row], change({ reclassed: moved }));
      } else world.fanout.apply([], change({ reclassed: moved }));
    }),
    fc.tuple(key, key).map(([a, b]): Operation => (world, rules) => {
      const pair = link(a, b);
      if (!rules.links.delete(pair)) rules.links.add(pair);
      world.fanout.apply([], change({ visibility: true }));
    }),
    fc
      .tuple(key, fc.constantFrom(...ROUTES))
      .map(([viewer, route]): Operation => (world, rules) => {
        const text = `${viewer} ${route}`;
        if (!rules.hidden.delete(text)) rules.hidden.add(text);
        world.fanout.apply([], change({ visibility: true }));
      }),
    fc.tuple(id, fc.subarray([...ROUTES])).map(([router, served]): Operation => (world) => {
      if (world.state.node(router) === undefined) return;
      world.served.set(router, served);
      world.fanout.servedChanged([router]);
    }),
    fc
      .tuple(key, fc.constantFrom('f', 'g'), fc.option(fc.nat({ max: 9 })))
      .map(([of, name, value]): Operation => (world, rules) => {
        const filter = new Map(rules.filter(of));
        if (value === null) filter.delete(name);
        else filter.set(name, rulesFrom(value));
        rules.filters.set(of, filter);
        world.fanout.apply([], change({ filters: new Map([[of, new Set([name])]]) }));
      }),
    fc.tuple(key, fc.nat({ max: 9 })).map(([of, value]): Operation => (world, rules) => {
      rules.sshOf.set(of, value);
      world.fanout.apply([], change({ ssh: [of] }));
    }),
    id.map((opened): Operation => (world, _rules, clients) => {
      if (world.state.node(opened) === undefined) return;
      const encoding = opened % 2 === 0 ? 'zstd' : 'plain';
      const client = new Client(encoding);
      clients.set(opened, { client, stream: world.open(opened, client, encoding) });
    }),
    id.map((stalled): Operation => (_world, _rules, clients) => {
      const held = clients.get(stalled);
      if (held !== undefined) held.client.stalled = true;
    }),
    id.map((resumed): Operation => (world, _rules, clients) => {
      const held = clients.get(resumed);
      if (held === undefined) return;
      held.client.stalled = false;
      world.fanout.writable(held.stream);
    }),
    id.map((gone): Operation => (world, _rules, clients) => {
      if (world.state.node(gone) === undefined) {
        const after = testNode(gone);
        const row = { table: 'node', id: gone, before: undefined, after } as const;
        world.state.apply(row);
        world.fanout.apply([row]);
        return;
      }
      world.change(gone, undefined);
      world.online.delete(gone);
      world.served.delete(gone);
      clients.delete(gone);
    }),
    fc.constant<Operation>((world) => world.settle()),
    { weight: 4, arbitrary: fc.constant<Operation>((world) => void world.step()) },
  );
}
