import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { utf8 } from '@malla/base/bytes';
import { deleteNode } from '../core/nodes.ts';
import { openMemoryStore } from '../store/open.ts';
import { recordedLog } from '@malla/testkit/recorded-log';
import { type TestExchange, TestMachines } from '../testing/machine.ts';
import { settle } from '../testing/virtual-time.ts';

const LOGOUT = { Expiry: '1970-01-01T00:02:03Z' };
const HOUR_MS = 3_600_000;
const IN_2100 = '2100-01-01T00:00:00Z';

function idOf(authUrl: unknown): string {
  assert.ok(typeof authUrl === 'string');
  assert.match(authUrl, /^http:\/\/127\.0\.0\.1:1\/register\/hskey-authreq-[0-9a-f]{24}$/);
  return authUrl.split('/').at(-1) ?? '';
}

async function expired(): Promise<{
  machines: TestMachines;
  device: ReturnType<TestMachines['device']>;
  AuthKey: string;
}> {
  const machines = await TestMachines.start({ yaml: 'node:\n  expiry: 1h' });
  const AuthKey = await machines.key(await machines.user('alice'));
  const device = machines.device(1);
  await device.register({ Auth: { AuthKey } });
  await machines.pass(HOUR_MS);
  return { machines, device, AuthKey };
}

describe('a client that registers', () => {
  test('with an auth key is told its user, and that it is authorized', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const AuthKey = await machines.key(await machines.user('alice'));
    const answer = await device.register({ Auth: { AuthKey } });
    assert.equal(answer['MachineAuthorized'], true);
    assert.equal(answer['NodeKeyExpired'], false);
    assert.deepEqual([answer['AuthURL'], answer['Error']], ['', '']);
    assert.equal((answer['User'] as { ID: number }).ID, 1);
    assert.equal((answer['Login'] as { LoginName: string }).LoginName, 'alice');
    assert.equal(device.node?.name, 'host-1');
  });

  test('with a tagged key is told the synthetic user', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'), { tags: ['tag:web'] });
    const answer = await machines.device(1).register({ Auth: { AuthKey } });
    assert.equal((answer['Login'] as { LoginName: string }).LoginName, 'tagged-devices');
  });

  test('with a bad auth key is refused in words, with status 200', async () => {
    const machines = await TestMachines.start();
    const answer = await machines.device(1).register({ Auth: { AuthKey: 'nonsense' } });
    assert.equal(answer['Error'], 'invalid pre auth key');
    assert.equal(answer['MachineAuthorized'], false);
  });

  test('again with a key that it has used up is let in: it sends it as long as it lives', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const AuthKey = await machines.key(await machines.user('alice'), { reusable: false });
    await device.register({ Auth: { AuthKey } });
    const { id } = device.node ?? assert.fail();
    assert.equal((await device.register({ Auth: { AuthKey } }))['MachineAuthorized'], true);
    assert.equal(device.node?.id, id);
  });

  test('again with nothing new is told the same, and nothing is stored', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey: await machines.key(await machines.user('alice')) } });
    const { commands } = machines.tailnet.ledger.counters;
    const answer = await device.register();
    assert.equal(answer['MachineAuthorized'], true);
    assert.equal((answer['User'] as { ID: number }).ID, 1);
    assert.equal(machines.tailnet.ledger.counters.commands, commands);
  });

  test('with a new node key stays the same node', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const AuthKey = await machines.key(await machines.user('alice'));
    await device.register({ Auth: { AuthKey } });
    const before = device.node ?? assert.fail();
    device.rotate();
    await device.register({ Auth: { AuthKey } });
    assert.equal(device.node?.id, before.id);
    assert.equal(device.node?.ipv4, before.ipv4);
  });

  test('with a node key of another machine hears only that it needs another one, and the log says so', async () => {
    const { log, lines } = recordedLog();
    const machines = await TestMachines.start({ log });
    const [owner, thief] = [machines.device(1), machines.device(2)];
    const AuthKey = await machines.key(await machines.user('alice'));
    await owner.register({ Auth: { AuthKey } });
    thief.nodeKey = owner.nodeKey;
    const before = owner.node;
    const nobody = await machines.device(3).register(LOGOUT);
    for (const fields of [{}, { Auth: { AuthKey } }, { Followup: 'x' }, { Expiry: IN_2100 }]) {
      assert.deepEqual(await thief.register(fields), { ...nobody, NodeKeyExpired: true });
    }
    assert.deepEqual(await thief.register(LOGOUT), nobody);
    assert.equal(owner.node, before);
    assert.equal(machines.tailnet.pendingLogins.size, 0);
    const refused = lines.filter(({ message }) => message === 'registration refused');
    assert.deepEqual(
      refused.map(({ fields }) => [fields['machineKey'], fields['reason']]),
      Array.from({ length: 4 }, () => [
        thief.machineKey,
        'this node key belongs to another machine',
      ]),
    );
  });

  test('with something unreadable gets 400', async () => {
    const device = (await TestMachines.start()).device(1);
    for (const body of ['', '[]', '{}', '{"NodeKey":"nodekey:00"}']) {
      const exchange = await device.send('POST', '/machine/register', utf8(body));
      assert.equal(exchange.status, 400, body);
    }
  });

  test('while the store fails gets a status to try again on, and no text for its user', async () => {
    const store = openMemoryStore();
    const machines = await TestMachines.start({ store });
    const AuthKey = await machines.key(await machines.user('alice'));
    store.commit = () => Promise.reject(new MallaError('store.unavailable', 'the disk is full'));
    const exchange = await machines.device(1).registration({ Auth: { AuthKey } });
    assert.deepEqual([exchange.status, exchange.body], [503, 'the disk is full']);
  });
});

describe('the log', () => {
  test('says that a device waits, and what lets it in', async () => {
    const { log, lines } = recordedLog();
    const machines = await TestMachines.start({ log });
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    await device.register();
    await device.registration({ Followup: AuthURL });
    const authId = idOf(AuthURL);
    assert.deepEqual(lines, [
      {
        level: 'info',
        message: 'a device waits to be let in',
        fields: {
          authId,
          name: 'host-1',
          remoteAddress: '192.0.2.1',
          command: `malla nodes register --key ${authId} --user USERNAME`,
        },
      },
    ]);
  });

  test('says that a device waits for a new login when it asks for tags', async () => {
    const { log, lines } = recordedLog();
    const machines = await TestMachines.start({ log });
    const device = await machines.joined(1, await machines.key(await machines.user('ann')));
    lines.length = 0;
    await device.register({ Hostinfo: { Hostname: 'host-1', RequestTags: ['tag:web'] } });
    assert.deepEqual(
      lines.map(({ message }) => message),
      ['a device waits to be let in'],
    );
  });

  test('has a registration once, though clients send their key again and again', async () => {
    const { log, lines } = recordedLog();
    const machines = await TestMachines.start({ log });
    const AuthKey = await machines.key(await machines.user('ann'));
    const device = machines.device(1);
    for (let i = 0; i < 5; i++) await device.register({ Auth: { AuthKey } });
    assert.deepEqual(
      lines.map(({ message, fields }) => [message, fields]),
      [['node registered with an auth key', { node: 1, name: 'host-1', preAuthKey: 1 }]],
    );
  });
});

describe('a client without an auth key', () => {
  test('is shown a URL, and the same again as long as it waits', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const first = await device.register();
    assert.equal(first['MachineAuthorized'], false);
    const id = idOf(first['AuthURL']);
    assert.equal(idOf((await device.register())['AuthURL']), id);
    assert.equal(machines.tailnet.pendingLogins.get(id).device.hostinfo.Hostname, 'host-1');
  });

  test('that holds a request open for it is let in at the administrator’s word', async () => {
    const machines = await TestMachines.start();
    await machines.user('alice');
    const device = machines.device(1);
    const timers = machines.time.pending;
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    assert.equal(held.status, undefined);
    const node = await machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    await settle();
    assert.equal(held.json()['MachineAuthorized'], true);
    assert.equal(device.node?.id, node.id);
    assert.equal(machines.time.pending, timers);
  });

  test('whose logins make way for each other keeps its URLs until it asks for one again', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const held: { readonly url: unknown; readonly exchange: TestExchange }[] = [];
    for (let nth = 0; nth < 12; nth++) {
      device.rotate(nth);
      const { AuthURL: url } = await device.register();
      held.push({ url, exchange: await device.registration({ Followup: url }) });
    }
    // Given another login at once, each would take the place of the next.
    for (const [nth, { url, exchange }] of held.entries()) {
      if (nth < 4) assert.equal(exchange.json()['AuthURL'], url);
      else assert.equal(exchange.status, undefined);
    }
    assert.equal(machines.tailnet.pendingLogins.size, 8);
    device.rotate(0);
    const again = await device.register({ Followup: held[0]?.url });
    assert.notEqual(idOf(again['AuthURL']), idOf(held[0]?.url));
  });

  test('of another address is let wait however many logins of one wait already', async () => {
    const machines = await TestMachines.start({ yaml: 'tuning: {register_cache_max_entries: 20}' });
    const newcomer = machines.device(250);
    newcomer.address = '198.51.100.1';
    const { AuthURL } = await newcomer.register();
    const held = await newcomer.registration({ Followup: AuthURL });
    for (let attacker = 1; attacker < 60; attacker++) {
      const device = machines.device(attacker);
      device.address = '203.0.113.1';
      const { AuthURL: url } = await device.register();
      await device.registration({ Followup: url });
    }
    assert.equal(machines.tailnet.pendingLogins.size, 20);
    const late = machines.device(251);
    late.address = '198.51.100.2';
    assert.match(String((await late.register())['AuthURL']), /hskey-authreq-/);
    await machines.user('alice');
    await machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    await settle();
    assert.equal(held.json()['MachineAuthorized'], true);
  });

  test('that comes back with the URL after it was let in is told so', async () => {
    const machines = await TestMachines.start();
    await machines.user('alice');
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    await machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    assert.equal((await device.register({ Followup: AuthURL }))['MachineAuthorized'], true);
  });

  test('that was let in and deleted again gets a new URL for the old one', async () => {
    const machines = await TestMachines.start();
    await machines.user('alice');
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    const { id } = await machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    await machines.tailnet.ledger.execute((state) => deleteNode(state, id));
    const again = await device.register({ Followup: AuthURL });
    assert.notEqual(idOf(again['AuthURL']), idOf(AuthURL));
  });

  test('that is rejected is told so, also when it asks later', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    await machines.tailnet.logins.reject(idOf(AuthURL));
    await settle();
    assert.match(String(held.json()['Error']), /administrator rejected/);
    assert.match(String((await device.register({ Followup: AuthURL }))['Error']), /rejected/);
    const fresh = await device.register();
    assert.notEqual(idOf(fresh['AuthURL']), idOf(AuthURL));
  });

  test('is not let in for a user that does not exist, and waits on', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    const attempt = machines.tailnet.logins.register(idOf(AuthURL), 'nobody');
    await assert.rejects(attempt, { code: 'user.not-found' });
    assert.equal(held.status, undefined);
    assert.equal(idOf((await device.register())['AuthURL']), idOf(AuthURL));
  });

  test('whose URL expires while it waits gets a new one', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    await machines.pass(15 * 60_000);
    assert.notEqual(idOf(held.json()['AuthURL']), idOf(AuthURL));
  });

  test('whose URL is from before a restart gets a new one', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    device.machines = await machines.restart();
    const answer = await device.register({ Followup: AuthURL });
    assert.notEqual(idOf(answer['AuthURL']), idOf(AuthURL));
  });

  test('cannot wait for the login of another device', async () => {
    const { log, lines } = recordedLog();
    const machines = await TestMachines.start({ log });
    const { AuthURL } = await machines.device(1).register();
    const exchange = await machines.device(2).registration({ Followup: AuthURL });
    assert.equal(exchange.status, 401);
    const { fields } = lines.find(({ message }) => message === 'registration refused') ?? {};
    assert.equal(fields?.['reason'], 'this login belongs to another machine');
  });

  test('that goes away while it waits opens nothing more', async () => {
    const machines = await TestMachines.start();
    const device = machines.device(1);
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    held.leave();
    await machines.pass(15 * 60_000);
    assert.equal(held.status, undefined);
    assert.equal(machines.tailnet.pendingLogins.size, 0);
  });
});

describe('a client that logs out', () => {
  test('has an expired key at once, its stream ends and its peer knows', async () => {
    const machines = await TestMachines.start();
    const key = await machines.key(await machines.user('alice'));
    const device = await machines.joined(1, key);
    const stream = await device.openMap();
    const peer = await (await machines.joined(2, key)).openMap();
    const answer = await device.register({ ...LOGOUT, Auth: { AuthKey: key } });
    assert.equal(answer['Error'], '');
    await machines.pass(1_000);
    assert.equal(device.node?.expiry, machines.time.now - 1_000);
    assert.equal(stream.netmap.self?.['Expired'], true);
    assert.ok(stream.ended);
    const seen = peer.netmap.peers.get(1);
    assert.deepEqual([seen?.['Expired'], seen?.['Online']], [true, false]);
    assert.equal(typeof seen?.['LastSeen'], 'string');
  });

  test('is told so also when its node is no more', async () => {
    const device = (await TestMachines.start()).device(1);
    assert.equal((await device.register(LOGOUT))['Error'], '');
    assert.equal(device.node, undefined);
  });

  test('is deleted when it is ephemeral', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'), { ephemeral: true });
    const device = await machines.joined(1, AuthKey);
    await device.register(LOGOUT);
    assert.equal(device.node, undefined);
    assert.equal(machines.tailnet.presences.onlineCount, 0);
  });

  test('late, with a key that it has replaced since, does not end the new one', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'));
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey } });
    const NodeKey = device.nodeKey;
    device.rotate();
    const login = device.register({ Auth: { AuthKey } });
    await Promise.all([login, device.registration({ ...LOGOUT, NodeKey })]);
    assert.equal(device.node?.expiry, undefined);
  });
});

describe('a client with an expired key', () => {
  test('is told that it has, so that it makes a new one', async () => {
    const { device } = await expired();
    const answer = await device.register();
    assert.equal(answer['NodeKeyExpired'], true);
    assert.equal(answer['AuthURL'], '');
  });

  test('is shown a URL for its new key, and comes back as the node it was', async () => {
    const { machines, device } = await expired();
    const { id } = device.node ?? assert.fail();
    device.rotate();
    const { AuthURL } = await device.register();
    const node = await machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    assert.equal(node.id, id);
    assert.equal(node.expiry, machines.time.now + HOUR_MS);
  });

  test('and an auth key is in again at once', async () => {
    const { device, AuthKey } = await expired();
    device.rotate();
    assert.equal((await device.register({ Auth: { AuthKey } }))['MachineAuthorized'], true);
  });
});

describe('a client that asks for another expiry', () => {
  test('of a key that it has may make it sooner, never later', async () => {
    const machines = await TestMachines.start({ yaml: 'node:\n  expiry: 2h' });
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey: await machines.key(await machines.user('alice')) } });
    const inHours = (hours: number): string =>
      new Date(machines.time.now + hours * HOUR_MS).toISOString();
    await device.register({ Expiry: inHours(5) });
    assert.equal(device.node?.expiry, machines.time.now + 2 * HOUR_MS);
    await device.register({ Expiry: inHours(1) });
    assert.equal(device.node?.expiry, machines.time.now + HOUR_MS);
  });
});
