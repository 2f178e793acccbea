import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Node } from '@malla/netmap/node';
import fc from 'fast-check';
import type { Change } from '../core/change.ts';
import { believed, Client, expected, FanoutWorld, NOW } from '../testing/fanout-world.ts';
import { testNode, testUser } from '../testing/rows.ts';
import { MAX_ENTRIES } from './change-log.ts';
import { GATHER_MS } from './fanout.ts';
import type { MapStream } from './map-stream.ts';
import type { Encoding } from './message.ts';
import { allowAll, sameUser } from './rules.ts';

describe('fan-out', () => {
  test('the first message has the node itself, the shared parts and every other node', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}, {}]);
    const client = new Client('plain');
    world.open(2, client);
    world.settle();
    assert.equal(client.netmap.self?.['ID'], 2);
    assert.deepEqual([...client.netmap.peers.keys()], [1, 3]);
    assert.deepEqual(Object.keys(client.netmap.packetFilters), ['base']);
    assert.deepEqual(client.netmap.sshPolicy, { rules: [] });
    assert.ok(client.netmap.derpMap && client.netmap.dnsConfig);
  });

  test('a lone node gets a map without peers', () => {
    const world = new FanoutWorld(allowAll, 1, [{}]);
    const client = new Client('zstd');
    world.open(1, client, 'zstd');
    world.settle();
    assert.equal(client.netmap.messages, 1);
    assert.equal(client.netmap.peers.size, 0);
  });

  test('users are isolated by default, and tagged nodes are a network of their own', () => {
    const world = new FanoutWorld(sameUser, 2, [
      { userId: 1 },
      { userId: 2 },
      { userId: 1 },
      { userId: undefined, tags: ['tag:a'] },
    ]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    assert.deepEqual([...client.netmap.peers.keys()], [3]);
  });

  test('a new stream waits to be gathered with others, a change does not', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    world.open(1, new Client('plain'));
    assert.equal(world.tasks[0]?.delayMs, GATHER_MS);
    world.settle();
    world.change(2, { endpoints: ['192.0.2.1:1'] });
    assert.equal(world.tasks[0]?.delayMs, 0);
  });

  test('a change is encoded and compressed once for all who see it', () => {
    const world = new FanoutWorld(
      allowAll,
      1,
      Array.from({ length: 50 }, () => ({})),
    );
    const clients = Array.from({ length: 49 }, () => new Client('zstd'));
    for (const [i, client] of clients.entries()) world.open(i + 1, client, 'zstd');
    world.settle();
    world.compressions = 0;
    world.change(50, { endpoints: ['192.0.2.1:1'] });
    world.settle();
    assert.equal(world.compressions, 1);
    for (const client of clients) {
      assert.deepEqual(client.netmap.peers.get(50)?.['Endpoints'], ['192.0.2.1:1']);
    }
  });

  test('a node is never sent its own change as a peer', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    const before = client.netmap.messages;
    world.change(1, { endpoints: ['192.0.2.9:9'] });
    world.settle();
    assert.equal(client.netmap.messages, before);
  });

  test('a rename reaches the node itself and its peers', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const [one, two] = [new Client('plain'), new Client('plain')];
    world.open(1, one);
    world.open(2, two);
    world.settle();
    world.change(1, { name: 'renamed' });
    world.settle();
    assert.equal(one.netmap.self?.['Name'], 'renamed.tailnet.test.');
    assert.equal(two.netmap.peers.get(1)?.['Name'], 'renamed.tailnet.test.');
  });

  test('changes merge while a stream is busy, and come as one when it is not', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}, {}]);
    const client = new Client('plain');
    const stream = world.open(1, client);
    world.settle();
    client.stalled = true;
    world.change(2, { endpoints: ['192.0.2.1:1'] });
    world.settle();
    const before = client.netmap.messages;
    for (let port = 2; port < 200; port++) {
      world.change(2, { endpoints: [`192.0.2.1:${port}`] });
      world.settle();
    }
    world.change(3, undefined);
    assert.equal(client.netmap.messages, before);
    client.stalled = false;
    world.fanout.writable(stream);
    world.settle();
    assert.equal(client.netmap.messages, before + 1);
    assert.deepEqual(client.netmap.peers.get(2)?.['Endpoints'], ['192.0.2.1:199']);
    assert.ok(!client.netmap.peers.has(3));
  });

  test('a deleted node is told that its key has expired, and its stream ends', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    world.change(1, undefined);
    assert.equal(client.netmap.self?.['Expired'], true);
    assert.ok(client.ended);
    assert.equal(world.fanout.streamCount, 0);
  });

  test('a deleted node is told so also when it is slow to read', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const client = new Client('plain');
    world.open(1, client);
    client.stalled = true;
    world.settle();
    world.change(1, undefined);
    assert.equal(client.netmap.self?.['Expired'], true);
    assert.ok(client.ended);
  });

  test('a change visits only the streams of those who are told of it', () => {
    const world = new FanoutWorld(sameUser, 3, [{ userId: 1 }, { userId: 1 }, { userId: 2 }]);
    const clients = [1, 2, 3].map((id) => {
      const client = new Client('plain');
      world.open(id, client);
      return client;
    });
    world.settle();
    const messages = clients.map(({ netmap }) => netmap.messages);
    const { flushes } = world.fanout.counters;
    world.change(3, { endpoints: ['192.0.2.3:1'] });
    assert.equal(world.tasks.length, 1, 'the node itself sees no other of its user');
    world.settle();
    world.change(2, { endpoints: ['192.0.2.2:1'] });
    world.settle();
    assert.equal(world.fanout.counters.flushes, flushes + 2);
    assert.deepEqual(
      clients.map(({ netmap }, i) => netmap.messages - (messages[i] ?? 0)),
      [1, 0, 0],
    );
  });

  test('what nobody reads is kept by nobody, and who comes later is told what is true', () => {
    const world = new FanoutWorld(sameUser, 2, [{ userId: 1 }, { userId: 1 }, { userId: 2 }]);
    for (let i = 0; i < 100; i++) world.change(2, { endpoints: [`192.0.2.2:${i}`] });
    assert.equal(world.tasks.length, 0);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    assert.deepEqual(client.netmap.peers.get(2)?.['Endpoints'], ['192.0.2.2:99']);
    world.change(2, { endpoints: ['192.0.2.2:100'] });
    world.settle();
    assert.deepEqual(client.netmap.peers.get(2)?.['Endpoints'], ['192.0.2.2:100']);
  });

  test('a fan-out that begins anew ends all streams, and knows the nodes that it is given', () => {
    const world = new FanoutWorld(sameUser, 1, [{}, {}]);
    const client = new Client('plain');
    world.open(1, client);
    world.settle();
    world.state.apply({ table: 'node', id: 3, before: undefined, after: testNode(3) });
    world.fanout.restart(sameUser, world.state.nodes());
    assert.equal(client.ended, true);
    assert.equal(world.fanout.streamCount, 0);
    const again = new Client('plain');
    world.open(1, again);
    world.settle();
    assert.deepEqual(believed(again), expected(world, sameUser, 1));
  });

  test('a changed user is told to those who see a node of theirs, and to nobody else', () => {
    const world = new FanoutWorld(sameUser, 2, [{ userId: 1 }, { userId: 2 }]);
    const [one, two] = [new Client('plain'), new Client('plain')];
    world.open(1, one);
    world.open(2, two);
    world.settle();
    const before = world.state.user(2);
    const after = { ...testUser(2, 'user2'), displayName: 'Bob' };
    const change: Change = { table: 'user', id: 2, before, after };
    world.state.apply(change);
    world.fanout.apply([change]);
    world.settle();
    assert.equal(two.netmap.users.get(2)?.['DisplayName'], 'Bob');
    assert.equal(one.netmap.users.has(2), false);
  });

  test('a message for one node that has no map yet follows it', () => {
    const world = new FanoutWorld(allowAll, 1, [{}]);
    const client = new Client('plain');
    world.open(1, client);
    assert.ok(world.fanout.send(1, '"PingRequest":{"URL":"https://unused/x"}'));
    world.settle();
    assert.deepEqual(client.netmap.pings, [{ URL: 'https://unused/x' }]);
  });

  test('a stream that is too far behind is ended, to come back for the whole map', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const client = new Client('plain');
    const stream = world.open(1, client);
    world.settle();
    client.stalled = true;
    for (let i = 0; i < 3 * MAX_ENTRIES; i++) world.change(2, { homeDerp: 1 + (i % 2) });
    world.fanout.writable(stream);
    world.settle();
    assert.ok(client.ended);
  });

  test('a second stream of a node ends the first', () => {
    const world = new FanoutWorld(allowAll, 1, [{}]);
    const [first, second] = [new Client('plain'), new Client('plain')];
    world.open(1, first);
    world.open(1, second);
    assert.ok(first.ended);
    assert.ok(!second.ended);
  });

  test('a message for one node alone reaches only that node', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}]);
    const [one, two] = [new Client('plain'), new Client('plain')];
    world.open(1, one);
    world.open(2, two);
    world.settle();
    assert.ok(world.fanout.send(1, '"PingRequest":{"URL":"https://unused/x"}'));
    world.settle();
    assert.deepEqual(one.netmap.pings, [{ URL: 'https://unused/x' }]);
    assert.deepEqual(two.netmap.pings, []);
  });

  test('a message for a node whose first map has not left yet comes after it', () => {
    const world = new FanoutWorld(allowAll, 1, [{}]);
    const client = new Client('plain');
    world.open(1, client);
    assert.ok(world.fanout.send(1, '"PingRequest":{"URL":"https://unused/x"}'));
    world.settle();
    assert.equal(client.netmap.pings.length, 1);
  });

  test('a change reaches open streams while new ones are still gathered', () => {
    const world = new FanoutWorld(allowAll, 1, [{}, {}, {}]);
    const [old, late] = [new Client('plain'), new Client('plain')];
    world.open(1, old);
    world.settle();
    world.open(2, late);
    world.change(3, { endpoints: ['192.0.2.1:1'] });
    world.tasks.pop()?.task();
    assert.deepEqual(old.netmap.peers.get(3)?.['Endpoints'], ['192.0.2.1:1']);
    assert.equal(late.netmap.messages, 0);
    world.settle();
    assert.deepEqual(late.netmap.peers.get(3)?.['Endpoints'], ['192.0.2.1:1']);
  });

  test('who is told of a change at length lets others use the thread, and is told once of two', () => {
    const world = new FanoutWorld(
      allowAll,
      1,
      Array.from({ length: 12 }, () => ({})),
    );
    const told: number[] = [];
    const clients = Array.from({ length: 10 }, (_, i) => {
      const client = new Client('plain', Infinity, () => {
        told.push(i);
        world.now += 10;
      });
      world.open(i + 1, client);
      return client;
    });
    world.settle();
    told.length = 0;
    world.change(11, { endpoints: ['192.0.2.1:1'] });
    world.tasks.pop()?.task();
    assert.deepEqual(told, [0, 1, 2], 'one slice');
    world.change(12, { endpoints: ['192.0.2.2:2'] });
    world.settle();
    assert.deepEqual(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
    for (const { netmap } of clients) {
      assert.deepEqual(netmap.peers.get(11)?.['Endpoints'], ['192.0.2.1:1']);
      assert.deepEqual(netmap.peers.get(12)?.['Endpoints'], ['192.0.2.2:2']);
    }
  });

  test('what waits for one node is bounded', () => {
    const world = new FanoutWorld(allowAll, 1, [{}]);
    const client = new Client('plain', 1);
    world.open(1, client);
    world.settle();
    let taken = 0;
    while (world.fanout.send(1, '"PingRequest":{}')) taken++;
    assert.equal(taken, 16);
  });

  for (const [name, rules] of [
    ['allow-all', allowAll],
    ['same-user', sameUser],
  ] as const) {
    test(`after any history every client believes what is true (${name})`, () => {
      fc.assert(
        fc.property(fc.array(operation(), { maxLength: 60 }), (operations) => {
          const world = new FanoutWorld(
            rules,
            3,
            Array.from({ length: 5 }, (_, i) => ({ userId: 1 + (i % 3) })),
          );
          const clients = new Map<number, { client: Client; stream: MapStream }>();
          for (const op of operations) perform(world, clients, op);
          for (const { client, stream } of clients.values()) {
            client.stalled = false;
            world.fanout.writable(stream);
          }
          world.settle();
          for (const [id, { client }] of clients) {
            if (client.ended) continue;
            assert.deepEqual(believed(client), expected(world, rules, id));
            assert.equal(client.netmap.self?.['Name'], `${world.node(id).name}.tailnet.test.`);
          }
        }),
        { numRuns: 300 },
      );
    });
  }
});

type Operation =
  | {
      readonly kind: 'open' | 'close' | 'stall' | 'resume' | 'delete' | 'settle';
      readonly id: number;
    }
  | { readonly kind: 'change'; readonly id: number; readonly fields: Partial<Node> };

function operation(): fc.Arbitrary<Operation> {
  const id = fc.integer({ min: 1, max: 8 });
  const fields: fc.Arbitrary<Partial<Node>> = fc.oneof(
    fc
      .array(
        fc.integer({ min: 1, max: 9 }).map((n) => `192.0.2.${n}:${n}`),
        { maxLength: 2 },
      )
      .map((endpoints) => ({ endpoints })),
    fc.integer({ min: 1, max: 3 }).map((homeDerp) => ({ homeDerp })),
    fc.integer({ min: 1, max: 3 }).map((userId) => ({ userId, tags: [] })),
    fc.constant({ userId: undefined, tags: ['tag:x'] }),
    fc.integer({ min: 113, max: 116 }).map((capVersion) => ({ capVersion })),
    fc.constantFrom(undefined, NOW - 5, NOW + 5_000_000).map((expiry) => ({ expiry })),
    fc
      .string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', 'c') })
      .map((text) => ({ hostname: text })),
  );
  return fc.oneof(
    fc.record({
      kind: fc.constantFrom(
        'open',
        'close',
        'stall',
        'resume',
        'delete',
        'settle',
      ) as fc.Arbitrary<'open'>,
      id,
    }),
    fc.record({ kind: fc.constant('change' as const), id, fields }),
  );
}

function perform(
  world: FanoutWorld,
  clients: Map<number, { client: Client; stream: MapStream }>,
  op: Operation,
): void {
  const held = clients.get(op.id);
  switch (op.kind) {
    case 'open': {
      if (world.state.node(op.id) === undefined) return;
      const encoding: Encoding = op.id % 2 === 0 ? 'zstd' : 'plain';
      const client = new Client(encoding);
      clients.set(op.id, { client, stream: world.open(op.id, client, encoding) });
      return;
    }
    case 'close':
      if (held === undefined) return;
      world.fanout.close(held.stream);
      clients.delete(op.id);
      world.online.delete(op.id);
      if (world.state.node(op.id) !== undefined) world.fanout.presenceChanged(world.node(op.id));
      return;
    case 'stall':
      if (held !== undefined) held.client.stalled = true;
      return;
    case 'resume':
      if (held === undefined) return;
      held.client.stalled = false;
      world.fanout.writable(held.stream);
      return;
    case 'delete':
      if (world.state.node(op.id) === undefined) return;
      world.change(op.id, undefined);
      world.online.delete(op.id);
      clients.delete(op.id);
      return;
    case 'settle':
      return world.settle();
    case 'change':
      return world.change(op.id, op.fields);
  }
}
