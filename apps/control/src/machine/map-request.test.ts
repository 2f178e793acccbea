import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import { differenceOf } from '@malla/netmap/node-difference';
import { deleteNode, setExpiry } from '../core/nodes.ts';
import { openMemoryStore } from '../store/open.ts';
import { type TestDevice, TestMachines } from '../testing/machine.ts';
import { settle } from '../testing/virtual-time.ts';
import { GRACE_MS } from '../liveness/presence.ts';
import { BURST, INTERVAL_MS } from './report-pace.ts';

interface Pair {
  readonly machines: TestMachines;
  readonly a: TestDevice;
  readonly b: TestDevice;
  readonly key: string;
}

/** Two registered devices of one user. */
async function pair(): Promise<Pair> {
  const machines = await TestMachines.start();
  const key = await machines.key(await machines.user('alice'));
  const [a, b] = [machines.device(1), machines.device(2)];
  for (const device of [a, b]) await device.register({ Auth: { AuthKey: key } });
  return { machines, a, b, key };
}

describe('what a device says of itself', () => {
  test('is made into text once for a report: to bound it, to compare it and to store it', async (t) => {
    const { machines, a } = await pair();
    await machines.tailnet.ledger.save();
    const stringify = t.mock.method(JSON, 'stringify');
    const texts = (): number =>
      stringify.mock.calls.filter(({ arguments: [value] }) =>
        Object.hasOwn(Object(value) as object, 'IPNVersion'),
      ).length;
    const Hostinfo = { Hostname: 'a', OS: 'linux', IPNVersion: '1.102.3' };
    for (const [said, isNews] of [
      [Hostinfo, true],
      [Hostinfo, false],
      [{ ...Hostinfo, OS: 'windows' }, true],
    ] as const) {
      stringify.mock.resetCalls();
      const before = a.node;
      await a.report({ Hostinfo: said });
      assert.equal(a.node?.hostinfo !== before?.hostinfo, isNews);
      await machines.tailnet.ledger.save();
      assert.equal(texts(), 1);
    }
  });
});

describe('a map request', () => {
  test('that is unreadable or of a client that is too old gets 400 and the reason', async () => {
    const { a } = await pair();
    assert.equal((await a.send('POST', '/machine/map', utf8('x'))).status, 400);
    const old = await a.map({ Stream: true, Version: 112 });
    assert.equal(old.status, 400);
    assert.match(old.body, /capability version 112.*needs 113 \(Tailscale 1\.80\)/);
  });

  test('for a node key of another machine is answered as one for a key that nobody has', async () => {
    const { machines, a } = await pair();
    const stranger = machines.device(3);
    for (const nodeKey of [stranger.nodeKey, a.nodeKey]) {
      stranger.nodeKey = nodeKey;
      assert.equal((await stranger.report()).status, 404);
      assert.equal((await stranger.map({})).status, 404);
      const stream = await stranger.map({ Stream: true });
      assert.equal(stream.status, undefined);
      await machines.pass(5_000);
      assert.equal(stream.netmap.self?.['Expired'], true);
      stream.leave();
    }
    assert.equal(machines.tailnet.fanout.streamCount, 0);
  });

  for (const Compress of ['zstd', '']) {
    test(`for a stream is answered with the whole map, ${Compress === '' ? 'plain' : 'in zstd'}`, async () => {
      const { a, b } = await pair();
      const { netmap, contentType, ended } = await a.openMap({ Compress });
      assert.equal(contentType, 'application/json');
      assert.equal(netmap.self?.['ID'], a.node?.id);
      assert.equal(netmap.self?.['MachineAuthorized'], true);
      assert.deepEqual([...netmap.peers.keys()], [b.node?.id]);
      assert.ok(netmap.derpMap && netmap.dnsConfig);
      assert.deepEqual(Object.keys(netmap.packetFilters), ['base']);
      assert.equal(ended, false);
    });
  }

  test('that does not stay gets one whole map, and the node does not look online', async () => {
    const { machines, a } = await pair();
    const once = await a.map({});
    assert.equal(once.messages.length, 1);
    assert.equal(once.netmap.peers.size, 1);
    assert.ok(once.ended);
    assert.equal(machines.tailnet.presences.onlineCount, 0);
  });

  test('of an expired node gets that node only; as a stream it stays open, so that it is not asked again at once', async () => {
    const { machines, a } = await pair();
    await machines.tailnet.ledger.execute((state, context) => setExpiry(state, 1, 'now', context));
    for (const fields of [{ Stream: true }, { OmitPeers: true }, {}]) {
      const answer = await a.map(fields);
      assert.equal(answer.netmap.self?.['Expired'], true);
      assert.equal(answer.netmap.peers.size, 0);
      assert.equal(answer.netmap.derpMap, undefined);
      assert.equal(answer.ended, !('Stream' in fields));
      await machines.pass(60_000);
      assert.ok(answer.ended);
    }
    assert.equal(machines.tailnet.presences.onlineCount, 0);
  });
});

describe('a lite update', () => {
  test('is answered with 200 and nothing, and its peer hears of it', async () => {
    const { a, b } = await pair();
    const { netmap } = await b.openMap();
    const answer = await a.report({
      Endpoints: ['192.0.2.1:41641'],
      Hostinfo: { Hostname: 'host-1', NetInfo: { PreferredDERP: 901 } },
    });
    assert.deepEqual([answer.status, answer.body], [200, '']);
    await b.machines.pass(1_000);
    const peer = netmap.peers.get(1);
    assert.deepEqual(peer?.['Endpoints'], ['192.0.2.1:41641']);
    assert.equal(peer?.['HomeDERP'], 901);
    assert.equal(peer?.['DiscoKey'], a.discoKey);
  });

  test('with endpoints that peers could not decode loses those and nothing else', async () => {
    const { a } = await pair();
    await a.report({ Endpoints: ['192.0.2.300:1', '192.0.2.1:1', '1.2.3.4:99999'] });
    assert.deepEqual(a.node?.endpoints, ['192.0.2.1:1']);
  });

  test('that says it is read-only writes nothing', async () => {
    const { a } = await pair();
    const answer = await a.report({ Endpoints: ['192.0.2.1:1'], ReadOnly: true });
    assert.equal(answer.status, 200);
    assert.deepEqual(a.node?.endpoints, []);
  });

  test('of a new name renames the node', async () => {
    const { a } = await pair();
    await a.report({ Hostinfo: { Hostname: 'Other Name' } });
    assert.equal(a.node?.name, 'other-name');
  });

  test('of a name that programs take for a proxy does not get the node that name', async () => {
    const { a } = await pair();
    await a.report({ Hostinfo: { Hostname: 'wpad' } });
    assert.deepEqual([a.node?.hostname, a.node?.name], ['wpad', 'wpad-1']);
  });

  test('is the newest that counts: a stream reports only of a node nothing is known of', async () => {
    const { a } = await pair();
    await a.openMap({ Endpoints: ['192.0.2.1:1'] });
    assert.deepEqual(a.node?.endpoints, ['192.0.2.1:1']);
    await a.report({ Endpoints: ['192.0.2.2:2'] });
    await a.openMap({ Endpoints: ['192.0.2.1:1'] });
    assert.deepEqual(a.node?.endpoints, ['192.0.2.2:2']);
  });

  test('that waited while the client logged in anew does not bring back its old discovery key', async () => {
    const { a, key } = await pair();
    const old = { NodeKey: a.nodeKey, DiscoKey: formatKey('discokey', new Uint8Array(32).fill(9)) };
    a.rotate();
    const login = a.register({ Auth: { AuthKey: key } });
    const [report] = await Promise.all([a.report(old), login]);
    assert.equal(report.status, 404);
    assert.equal(a.node?.discoKey, undefined);
  });
});

describe('a stream', () => {
  test('makes its node online, and for the grace period after its end', async () => {
    const { machines, a, b } = await pair();
    const watcher = await b.openMap();
    assert.equal(watcher.netmap.peers.get(1)?.['Online'], false);
    const stream = await a.openMap();
    assert.equal(watcher.netmap.peers.get(1)?.['Online'], true);
    const leftAt = machines.time.now;
    stream.leave();
    await machines.pass(GRACE_MS - 1_000);
    assert.equal(watcher.netmap.peers.get(1)?.['Online'], true);
    await machines.pass(1_000);
    const peer = watcher.netmap.peers.get(1);
    assert.deepEqual(
      [peer?.['Online'], peer?.['LastSeen']],
      [false, new Date(leftAt).toISOString()],
    );
    assert.equal(a.node?.lastSeen, leftAt);
  });

  test('ends the older one of its node, which stays online throughout', async () => {
    const { machines, a, b } = await pair();
    const watcher = await b.openMap();
    const older = await a.openMap();
    const newer = await a.openMap();
    assert.ok(older.ended);
    assert.equal(newer.ended, false);
    older.leave();
    await machines.pass(2 * GRACE_MS);
    assert.equal(watcher.netmap.peers.get(1)?.['Online'], true);
    assert.ok(watcher.messages.every((message) => message['PeersRemoved'] === undefined));
    newer.leave();
    await machines.pass(GRACE_MS);
    assert.equal(watcher.netmap.peers.get(1)?.['Online'], false);
  });

  test('whose old connection never notices its end does not keep its node online', async () => {
    const { machines, a } = await pair();
    await a.openMap();
    const newer = await a.openMap();
    newer.leave();
    await machines.pass(GRACE_MS);
    assert.equal(machines.tailnet.presences.isOnline(1), false);
  });

  test('of a client that has gone before its answer began is not opened', async () => {
    const { machines, a } = await pair();
    a.beginMap({ Stream: true }).leave();
    await settle();
    const { fanout, presences } = machines.tailnet;
    assert.deepEqual([fanout.streamCount, presences.isOnline(1)], [0, false]);
  });

  test('of a node that logs out while it opens is not opened', async () => {
    const { machines, a } = await pair();
    const logout = a.registration({ Expiry: '1970-01-01T00:02:03Z' });
    const stream = await a.map({ Stream: true });
    await logout;
    await machines.pass(1_000);
    assert.equal(stream.netmap.self?.['Expired'], true);
    assert.equal(stream.netmap.peers.size, 0);
    assert.equal(machines.tailnet.fanout.streamCount, 0);
  });

  test('that does not read is told everything when it does', async () => {
    const { machines, a, b } = await pair();
    const stream = await a.openMap();
    stream.stalled = true;
    for (let port = 1; port < 50; port++) {
      await b.report({ Endpoints: [`192.0.2.1:${port}`] });
      await machines.pass(300);
    }
    const before = stream.messages.length;
    assert.ok(before <= 3);
    stream.resume();
    await machines.pass(1_000);
    assert.equal(stream.messages.length, before + 1);
    assert.deepEqual(stream.netmap.peers.get(2)?.['Endpoints'], ['192.0.2.1:49']);
  });

  test('gets keep-alives, each with a ping of its connection', async () => {
    const { machines, a } = await pair();
    const { netmap } = await a.openMap();
    await machines.pass(125_000);
    assert.equal(netmap.keepAlives, 2);
    assert.equal(a.pings, 2);
  });

  test('of a deleted node says that its key has expired, and ends; its peer forgets it', async () => {
    const { machines, a, b } = await pair();
    const [own, watcher] = [await a.openMap(), await b.openMap()];
    await machines.tailnet.ledger.execute((state) => deleteNode(state, 1));
    await machines.pass(1_000);
    assert.equal(own.netmap.self?.['Expired'], true);
    assert.ok(own.ended);
    assert.equal(watcher.netmap.peers.size, 0);
  });
});

describe('a stream of a node key that is no good', () => {
  test('ends within a second of its being good again', async () => {
    const { machines, a } = await pair();
    await machines.tailnet.ledger.execute((state, context) => setExpiry(state, 1, 'now', context));
    const stream = await a.map({ Stream: true });
    await machines.pass(10_000);
    assert.equal(stream.ended, false);
    await machines.tailnet.ledger.execute((state, context) =>
      setExpiry(state, 1, 'never', context),
    );
    await machines.pass(1_000);
    assert.ok(stream.ended);
    assert.equal((await a.openMap()).netmap.peers.size, 1);
  });

  test('says that it has expired, when nothing was known of it for 5 s', async () => {
    const { machines, a } = await pair();
    await machines.tailnet.ledger.execute((state) => deleteNode(state, 1));
    const stream = await a.map({ Stream: true });
    await machines.pass(4_000);
    assert.equal(stream.status, undefined);
    await machines.pass(1_000);
    const self = stream.netmap.self ?? assert.fail();
    assert.deepEqual(
      [self.Expired, self.Key, self.Machine, self.Addresses],
      [true, a.nodeKey, a.machineKey, []],
    );
    assert.ok(Number.isSafeInteger(self.ID) && self.ID > 2 ** 52);
    assert.equal(stream.ended, false);
    await machines.pass(60_000);
    assert.ok(stream.ended);
  });

  test('of which nothing was known is asked for again when something is', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('ann'));
    const device = machines.device(1);
    const early = await device.map({ Stream: true });
    await device.register({ Auth: { AuthKey } });
    await machines.pass(5_000);
    assert.equal(early.status, 404);
    assert.equal((await device.openMap()).netmap.self?.['Expired'], undefined);
  });

  test('is held once or twice for a connection: the oldest makes way', async () => {
    const { machines, a } = await pair();
    const stranger = machines.device(3);
    const streams = [];
    for (let nth = 0; nth < 4; nth++) {
      stranger.rotate(nth);
      streams.push(await stranger.map({ Stream: true }));
    }
    const [first, second, third, fourth] = streams;
    assert.deepEqual([first?.status, second?.status], [404, 404]);
    assert.deepEqual([third?.status, fourth?.status], [undefined, undefined]);
    await machines.pass(5_000);
    assert.deepEqual([third?.status, third?.ended], [200, false]);
    const fifth = await stranger.map({ Stream: true });
    assert.equal(third?.ended, true);
    assert.equal(fourth?.ended, false);
    fifth.leave();
    fourth?.leave();
    const sixth = await stranger.map({ Stream: true });
    assert.equal(sixth.status, undefined);
    assert.equal((await a.openMap()).netmap.peers.size, 1);
  });

  test('is forgotten when the client leaves', async () => {
    const { machines, a } = await pair();
    await machines.tailnet.ledger.execute((state) => deleteNode(state, 1));
    const early = await a.map({ Stream: true });
    early.leave();
    const later = await a.map({ Stream: true });
    await machines.pass(5_000);
    later.leave();
    await machines.pass(60_000);
    assert.equal(early.status, undefined);
    assert.equal(later.messages.length, 1);
  });
});

describe('a node that reports without end', () => {
  test('is answered each time, and its peers are told of a burst and of two states a second', async () => {
    const { machines, a, b } = await pair();
    const watcher = await b.openMap();
    await a.openMap();
    const before = watcher.messages.length;
    for (let port = 1; port <= 200; port++) {
      assert.equal((await a.report({ Endpoints: [`192.0.2.1:${port}`] })).status, 200);
      machines.time.advance(10);
    }
    const told = watcher.messages.length - before;
    assert.ok(told <= BURST + 4, `${told} messages`);
    await machines.pass(INTERVAL_MS);
    assert.deepEqual(watcher.netmap.peers.get(1)?.['Endpoints'], ['192.0.2.1:200']);
    assert.deepEqual(a.node?.endpoints, ['192.0.2.1:200']);
  });

  for (const [what, said] of [
    ['names', (n: number) => ({ Hostinfo: { Hostname: `name-${n}`, OS: 'linux' } })],
    ['routes', (n: number) => ({ Hostinfo: { RoutableIPs: [`10.0.${n}.0/24`] } })],
    ['keys', (n: number) => ({ DiscoKey: formatKey('discokey', new Uint8Array(32).fill(n + 1)) })],
    ['relays', (n: number) => ({ Hostinfo: { NetInfo: { PreferredDERP: n + 1 } } })],
  ] as const) {
    test(`is held back with new ${what} as with endpoints, and the last counts`, async () => {
      const { machines, a } = await pair();
      await a.openMap();
      let rows = 0;
      machines.tailnet.ledger.onChanges(() => rows++);
      for (let n = 0; n < 100; n++) await a.report(said(n));
      assert.ok(rows <= BURST, `${rows} changes`);
      await machines.pass(INTERVAL_MS);
      const node = a.node ?? assert.fail();
      await machines.pass(60_000);
      assert.equal(a.node, node);
      await a.report(said(99));
      assert.deepEqual(differenceOf(node, a.node ?? assert.fail()), 0);
    });
  }

  test('keeps nobody else waiting', async () => {
    const { a, b } = await pair();
    for (let port = 1; port <= 100; port++) await a.report({ Endpoints: [`192.0.2.1:${port}`] });
    await b.report({ Endpoints: ['192.0.2.2:2'] });
    assert.deepEqual(b.node?.endpoints, ['192.0.2.2:2']);
  });

  test('has said the last when the server stops meanwhile', async () => {
    const { machines, a } = await pair();
    for (let port = 1; port <= 100; port++) await a.report({ Endpoints: [`192.0.2.1:${port}`] });
    a.machines = await machines.restart();
    assert.deepEqual(a.node?.endpoints, ['192.0.2.1:100']);
  });

  test('and logs in anew meanwhile does not bring back what it said before', async () => {
    const { machines, a, key } = await pair();
    for (let port = 1; port <= 100; port++) await a.report({ Endpoints: [`192.0.2.1:${port}`] });
    a.rotate();
    await a.register({ Auth: { AuthKey: key } });
    await machines.pass(60_000);
    assert.deepEqual([a.node?.endpoints, a.node?.discoKey], [[], undefined]);
  });

  test('loses nothing where its name cannot be stored for a while', async () => {
    const store = openMemoryStore();
    const machines = await TestMachines.start({ store });
    const AuthKey = await machines.key(await machines.user('alice'));
    const a = machines.device(1);
    await a.register({ Auth: { AuthKey } });
    const named = (n: number): Promise<unknown> =>
      a.report({ Hostinfo: { Hostname: `name-${n}` } });
    for (let n = 0; n < BURST; n++) await named(n);
    const commit = store.commit.bind(store);
    store.commit = () => Promise.reject(new MallaError('store.unavailable', 'the disk is full'));
    await named(100);
    await machines.pass(3_000);
    assert.equal(a.node?.name, `name-${BURST - 1}`);
    store.commit = commit;
    await machines.pass(6_000);
    assert.equal(a.node?.name, 'name-100');
  });
});
