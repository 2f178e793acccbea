import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import { setApprovedRoutes } from '../core/nodes.ts';
import { openMemoryStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { type TestDevice, TestMachines } from '../testing/machine.ts';

async function joined(store: Store = openMemoryStore()): Promise<{
  machines: TestMachines;
  store: Store;
  device: TestDevice;
}> {
  const machines = await TestMachines.start({ store });
  const key = await machines.key(await machines.user('alice'));
  return { machines, store, device: await machines.joined(1, key) };
}

describe('inside Noise', () => {
  test('an unknown path, and a known one with another method, are 404', async () => {
    const { device } = await joined();
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/machine/map'],
      ['POST', '/machine/mapx'],
      ['POST', '/machine/c2n'],
      ['HEAD', '/machine/c2n/00'],
      ['constructor', ''],
    ] as const) {
      assert.equal((await device.send(method, path, {})).status, 404, `${method} ${path}`);
    }
  });

  test('what this server does not do is said in words, with status 501', async () => {
    const { device } = await joined();
    for (const [method, path] of [
      ['POST', '/machine/set-dns'],
      ['PATCH', '/machine/set-device-attr'],
      ['POST', '/machine/id-token'],
      ['POST', '/machine/webclient/init/1/to/2'],
      ['GET', '/machine/tka/bootstrap'],
    ] as const) {
      const { status, body } = await device.send(method, path, {});
      assert.equal(status, 501, path);
      assert.match(body, /^this server /);
    }
  });

  test('a machine may ask who it is', async () => {
    const { device } = await joined();
    assert.deepEqual((await device.send('GET', '/machine/whoami', undefined)).json(), {
      machineKey: device.machineKey,
      protocolVersion: 142,
      nodes: [{ id: 1, name: 'host-1' }],
    });
  });

  test('a client that wants to serve HTTPS or Funnel is told why it cannot, and is not kept', async () => {
    const { device } = await joined();
    const answer = (
      await device.send('POST', '/machine/feature/query', { Feature: 'funnel' })
    ).json();
    assert.equal(answer['Complete'], false);
    assert.equal(answer['ShouldWait'], false);
    assert.match(String(answer['Text']), /Funnel/);
  });

  test('a fault of the store is told by its status', async () => {
    const { device, store } = await joined();
    store.commit = () => Promise.reject(new MallaError('store.unavailable', 'the disk is full'));
    const body = { NodeKey: device.nodeKey, Action: 'X', Details: '' };
    const exchange = await device.send('POST', '/machine/audit-log', body);
    assert.deepEqual([exchange.status, exchange.body], [503, 'the disk is full']);
  });

  test('a bug is told as one, without its text', async () => {
    const { device, store } = await joined();
    store.commit = () => {
      throw new MallaError('internal', 'secret');
    };
    const body = { NodeKey: device.nodeKey, Action: 'X', Details: '' };
    const exchange = await device.send('POST', '/machine/audit-log', body);
    assert.deepEqual([exchange.status, exchange.body], [500, 'internal error']);
  });
});

describe('what a node reports for the record', () => {
  test('is kept: its audit log with the client’s time, and its health with ours', async () => {
    const { machines, device, store } = await joined();
    const NodeKey = device.nodeKey;
    const audit = await device.send('POST', '/machine/audit-log', {
      NodeKey,
      Action: 'DISCONNECT_NODE',
      Details: 'lunch',
      Timestamp: '2026-05-01T00:00:00Z',
    });
    assert.deepEqual(audit.json(), {});
    const health = { NodeKey, Subsys: 'dns', Error: 'no resolver' };
    assert.equal((await device.send('POST', '/machine/update-health', health)).status, 204);
    assert.equal(
      (await device.send('POST', '/machine/update-health', { NodeKey, Subsys: 'dns' })).status,
      204,
    );
    const entries = await store.auditEntries(FIRST_TAILNET, 1, 10);
    assert.deepEqual(
      entries.map(({ action, details, timestamp }) => [action, details, timestamp]),
      [
        ['HEALTH', 'dns: ok', machines.time.now],
        ['HEALTH', 'dns: no resolver', machines.time.now],
        ['DISCONNECT_NODE', 'lunch', Date.UTC(2026, 4, 1)],
      ],
    );
  });

  test('is refused for the node of another machine, and when it is unreadable', async () => {
    const { machines, device, store } = await joined();
    const stranger = machines.device(9);
    const body = { NodeKey: device.nodeKey, Action: 'X', Subsys: 'x' };
    for (const path of ['/machine/audit-log', '/machine/update-health']) {
      assert.equal((await stranger.send('POST', path, body)).status, 400);
      assert.equal((await device.send('POST', path, utf8('{'))).status, 400);
    }
    assert.deepEqual(await store.auditEntries(FIRST_TAILNET, 1, 10), []);
  });
});

async function report(device: TestDevice, path: string): Promise<number | undefined> {
  const entry = { NodeKey: device.nodeKey, Action: 'X', Subsys: 'x' };
  return (await device.send('POST', path, entry)).status;
}

describe('nodes that report for the record without end', () => {
  test('are refused for a while, all of one owner alike, and others are not', async () => {
    const machines = await TestMachines.start();
    const [eve, ann] = [await machines.user('eve'), await machines.user('ann')];
    const key = await machines.key(eve, { reusable: true });
    const [first, second] = [await machines.joined(1, key), await machines.joined(2, key)];
    const other = await machines.joined(3, await machines.key(ann));
    const [audit, health] = ['/machine/audit-log', '/machine/update-health'];
    let kept = 0;
    while (kept < 2_000 && (await report(first, audit)) === 200) kept++;
    assert.equal(kept, 1_000);
    for (const device of [first, second]) {
      for (const path of [audit, health]) assert.equal(await report(device, path), 429);
    }
    assert.equal(await report(other, audit), 200);
    await machines.pass(1_000);
    assert.deepEqual([await report(second, health), await report(first, audit)], [204, 200]);
    assert.equal(await report(first, audit), 429);
  });
});

describe('the answer to a request to a node', () => {
  test('counts when it comes from that node’s machine, and from no other', async () => {
    const { machines, device } = await joined();
    const stream = await device.openMap();
    const answer = machines.tailnet.c2n.request(1, 'GET', '/echo', '');
    await machines.pass(1_000);
    const path = new URL(String(stream.netmap.pings[0]?.['URL'])).pathname;
    assert.equal((await machines.device(9).send('POST', path, utf8('forged'))).status, 404);
    assert.equal((await device.send('POST', path, utf8('HTTP/1.1 200 OK'))).status, 200);
    assert.equal(fromUtf8(await answer), 'HTTP/1.1 200 OK');
    assert.equal((await device.send('POST', path, utf8('again'))).status, 404);
  });
});

describe('the answer to a probe', () => {
  test('counts when it comes from that node’s machine, and from no other', async () => {
    const machines = await TestMachines.start();
    const key = await machines.key(await machines.user('alice'));
    const routes = ['10.0.0.0/24'];
    const [device, rival] = [await machines.joined(1, key), await machines.joined(2, key)];
    for (const [index, router] of [device, rival].entries()) {
      await router.report({ Hostinfo: { RoutableIPs: routes } });
      await machines.tailnet.ledger.execute((state) => setApprovedRoutes(state, index + 1, routes));
    }
    const stream = await device.openMap();
    await machines.pass(1_500);
    const { URL: text, URLIsNoise, Types } = stream.netmap.pings[0] ?? assert.fail();
    assert.deepEqual([URLIsNoise, Types], [true, undefined]);
    const url = new URL(text);
    const path = `${url.pathname}${url.search}`;
    assert.equal((await rival.send('HEAD', path, undefined)).status, 404);
    assert.equal((await device.send('HEAD', path, undefined)).status, 200);
    assert.equal((await device.send('HEAD', path, undefined)).status, 404);
    assert.equal((await device.send('HEAD', url.pathname, undefined)).status, 404);
  });
});
