import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Node } from '@malla/netmap/node';
import { parsePolicy } from '@malla/policy/document/parse';
import { ALLOW_ALL } from '@malla/policy/policy';
import { type Change, decide } from './core/change.ts';
import { deleteNode } from './core/nodes.ts';
import { openMemoryStore } from './store/open.ts';
import { TestMachines } from './testing/machine.ts';
import { settle } from './testing/virtual-time.ts';

const MINUTE_MS = 60_000;
/** Of ephemeral nodes, in these tests. */
const INACTIVITY = 'node:\n  ephemeral:\n    inactivity_timeout: 30m';

/** One that has been connected and is away. */
async function ephemeral(): Promise<TestMachines> {
  const machines = await TestMachines.start({ yaml: INACTIVITY });
  const key = await machines.key(await machines.user('alice'), { ephemeral: true });
  (await (await machines.joined(1, key)).openMap()).leave();
  return machines;
}

describe('a key that expires by time', () => {
  test('ends the stream of its node, which is told why, and its peer knows in one message', async () => {
    const machines = await TestMachines.start({ yaml: 'node:\n  expiry: 1h' });
    const key = await machines.key(await machines.user('alice'));
    const own = await (await machines.joined(1, key)).openMap();
    await machines.pass(10 * MINUTE_MS);
    const peer = await (await machines.joined(2, key)).openMap();
    await machines.pass(49 * MINUTE_MS);
    assert.equal(own.ended, false);
    const before = peer.messages.length;
    await machines.pass(MINUTE_MS);
    assert.ok(own.ended);
    assert.equal(own.netmap.self?.['Expired'], true);
    const seen = peer.netmap.peers.get(1);
    assert.deepEqual([seen?.['Expired'], seen?.['Online']], [true, false]);
    const told = peer.messages.slice(before).filter((message) => message['KeepAlive'] !== true);
    assert.equal(told.length, 1);
  });
});

describe('many keys that expire at once', () => {
  test('are told to everybody in one message', async () => {
    const machines = await TestMachines.start({ yaml: 'node:\n  expiry: 1h' });
    const key = await machines.key(await machines.user('alice'));
    const streams = [];
    for (let n = 1; n <= 20; n++) streams.push(await (await machines.joined(n, key)).openMap());
    const nodes = [...machines.tailnet.ledger.state.nodes()];
    const before = machines.tailnet.fanout.counters.messages;
    await machines.tailnet.ledger.execute(() =>
      decide(
        nodes.map((node) => {
          const after = { ...node, expiry: machines.time.now };
          return { table: 'node', id: node.id, before: node, after };
        }),
        undefined,
      ),
    );
    assert.equal(machines.tailnet.fanout.counters.messages, before + streams.length);
    for (const stream of streams) {
      assert.equal(stream.netmap.self?.['Expired'], true);
      assert.ok(stream.ended);
    }
  });
});

describe('an ephemeral node', () => {
  test('is deleted when it has been away for the configured time, and its peer forgets it', async () => {
    const machines = await ephemeral();
    const peer = await machines.joined(2, await machines.key(1));
    const { netmap } = await peer.openMap();
    await machines.pass(29 * MINUTE_MS);
    assert.equal(netmap.peers.size, 1);
    await machines.pass(MINUTE_MS);
    assert.equal(netmap.peers.size, 0);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 1);
  });

  test('that was away when the server restarted has its whole time again, and then goes', async () => {
    const before = await ephemeral();
    await before.pass(29 * MINUTE_MS);
    const machines = await before.restart();
    await machines.pass(29 * MINUTE_MS);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 1);
    await machines.pass(MINUTE_MS);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 0);
    assert.equal((await machines.restart()).tailnet.ledger.state.nodeCount(), 0);
  });

  test('that registers again in the last moment stays for as long again', async () => {
    const machines = await ephemeral();
    await machines.pass(29 * MINUTE_MS + 59_000);
    await machines.device(1).register();
    await machines.pass(29 * MINUTE_MS);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 1);
    await machines.pass(MINUTE_MS);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 0);
  });
});

describe('a server that stops', () => {
  test('ends streams and waiting requests, and leaves no timer', async () => {
    const machines = await TestMachines.start();
    const device = await machines.joined(1, await machines.key(await machines.user('alice')));
    const stream = await device.openMap();
    const answer = machines.tailnet.c2n.request(1, 'GET', '/echo', '');
    await Promise.all([machines.tailnet.stop(), assert.rejects(answer, { code: 'node.offline' })]);
    assert.ok(stream.ended);
    const late = await device.map({ Stream: true });
    assert.equal(late.status, 200);
    late.leave();
    machines.time.advance(1_000);
    assert.equal(machines.time.pending, 0);
  });

  test('has stored what was reported last, and when its nodes were last seen', async () => {
    const before = await TestMachines.start();
    const device = await before.joined(1, await before.key(await before.user('alice')));
    await device.openMap();
    await before.pass(5 * MINUTE_MS);
    await device.report({ Endpoints: ['192.0.2.7:7'] });
    const { tailnet } = await before.restart();
    const node = tailnet.ledger.state.node(1);
    assert.deepEqual(node?.endpoints, ['192.0.2.7:7']);
    assert.equal(node?.lastSeen, before.time.now);
  });
});

describe('a server that starts', () => {
  test('renames a node that has a name which is reserved since, in the database as well', async () => {
    const store = openMemoryStore();
    const before = await TestMachines.start({ store });
    const device = await before.joined(1, await before.key(await before.user('alice')));
    const node = device.node ?? assert.fail();
    const change: Change = { table: 'node', id: 1, before: node, after: { ...node, name: 'wpad' } };
    await before.tailnet.ledger.execute(() => decide([change], undefined));
    const { tailnet } = await before.restart();
    assert.equal(tailnet.ledger.state.node(1)?.name, 'wpad-1');
    assert.equal((await store.load(FIRST_TAILNET)).node[0]?.name, 'wpad-1');
  });
});

describe('a node', () => {
  test('uses another port at each start where the configuration still says so', async () => {
    for (const isOn of [true, false]) {
      const machines = await TestMachines.start({ yaml: `randomize_client_port: ${isOn}` });
      const key = await machines.key(await machines.user('alice'));
      const { netmap } = await (await machines.joined(1, key)).openMap();
      const granted = Object.keys(netmap.self?.['CapMap'] ?? {});
      assert.equal(granted.includes('randomize-client-port'), isOn);
    }
  });
});

describe('under a policy with postures', () => {
  test('a node is asked on each stream that it opens, also when it was only away for a moment', async () => {
    const machines = await TestMachines.start();
    const device = await machines.joined(1, await machines.key(await machines.user('alice')));
    const parsed = parsePolicy('{"postures": {"posture:x": ["node:tsAutoUpdate"]}, "acls": []}');
    assert.ok(parsed.ok);
    await machines.tailnet.setPolicy(parsed.value);
    for (let nth = 1; nth <= 2; nth++) {
      const stream = await device.openMap();
      await machines.pass(2_000);
      const [ping, ...more] = stream.netmap.pings;
      assert.match(atob(String(ping?.['Payload'])), /^GET \/update HTTP/);
      assert.deepEqual(more, []);
      stream.leave();
      await machines.pass(3_000);
    }
  });
});

describe('under a policy', () => {
  test('a node may report and be deleted in one transaction, or join and leave', async () => {
    const machines = await TestMachines.start();
    const key = await machines.key(await machines.user('alice'));
    await machines.joined(1, key);
    const peer = await (await machines.joined(2, key)).openMap();
    const { tailnet } = machines;
    const { ledger } = tailnet;
    await tailnet.setPolicy(ALLOW_ALL);
    const put = (id: number, after: Node | undefined): Promise<void> =>
      ledger.execute((state) =>
        decide([{ table: 'node', id, before: state.node(id), after }], undefined),
      );
    const node = ledger.state.node(1);
    assert.ok(node);
    await Promise.all([put(1, { ...node, endpoints: ['192.0.2.1:1'] }), put(1, undefined)]);
    await Promise.all([put(3, { ...node, id: 3, name: 'three' }), put(3, undefined)]);
    machines.time.advance(1_000);
    assert.equal(peer.netmap.peers.size, 0);
  });
});

describe('while a change is being stored', () => {
  test('the map of another node is that from before, and then it is told', async () => {
    const store = openMemoryStore();
    const machines = await TestMachines.start({ store });
    const key = await machines.key(await machines.user('alice'));
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey: key } });
    await machines.device(2).register({ Auth: { AuthKey: key } });
    const commit = store.commit.bind(store);
    const gate = Promise.withResolvers<void>();
    store.commit = async (changes: readonly Change[], expected) => {
      await gate.promise;
      return await commit(changes, expected);
    };
    const { ledger } = machines.tailnet;
    const stream = await device.map({ Stream: true });
    const deleting = ledger.execute((state) => deleteNode(state, 2));
    await settle();
    assert.ok(ledger.state.node(2), 'nobody reads what is not on disk');
    machines.time.advance(1_000);
    assert.deepEqual([...stream.netmap.peers.keys()], [2]);
    gate.resolve();
    await deleting;
    machines.time.advance(1_000);
    assert.equal(stream.netmap.peers.size, 0);
  });
});

describe('a listener that throws', () => {
  test('ends all streams, and the clients come back to what is true', async () => {
    const machines = await TestMachines.start();
    const key = await machines.key(await machines.user('alice'));
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey: key } });
    await machines.device(2).register({ Auth: { AuthKey: key } });
    const { ledger, fanout } = machines.tailnet;
    const stream = await device.map({ Stream: true });
    machines.time.advance(1_000);
    let broken = true;
    const { access } = machines.tailnet;
    const apply = access.apply.bind(access);
    access.apply = (changes) => {
      if (broken) throw new Error('a bug');
      return apply(changes);
    };
    await ledger.execute((state) => deleteNode(state, 2));
    broken = false;
    assert.equal(fanout.streamCount, 0);
    assert.equal(stream.ended, true);
    const again = await device.map({ Stream: true });
    await machines.device(3).register({ Auth: { AuthKey: key } });
    machines.time.advance(1_000);
    assert.deepEqual([...again.netmap.peers.keys()], [3]);
  });
});

describe('whoever listens to a tailnet', () => {
  test('hears of a login that waits, and of what becomes of it and its node', async () => {
    const machines = await TestMachines.start();
    await machines.user('alice');
    const heard: string[] = [];
    const { events, logins } = machines.tailnet;
    events.on('login', ({ event }) => heard.push(`login ${event.state}`));
    events.on('rows', ({ changes }) => heard.push(...changes.map(({ table }) => table)));
    const leave = events.onAny(({ kind }) => heard.push(`any ${kind}`));
    const { AuthURL = '' } = await machines.device(1).register({});
    leave();
    await logins.register(String(AuthURL).split('/').at(-1) ?? '', 'alice');
    assert.deepEqual(heard, ['login waiting', 'any login', 'node', 'login registered']);
  });
});
