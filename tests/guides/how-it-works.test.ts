/**
 * docs/guide/how-it-works.md: what goes on while the server is off, row by row of its table, with official clients
 * behind routers, one of which has no UDP. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

const REACHED_MS = 40_000;
const BACK_MS = 60_000;

describe('while the server is off', { skip: skipWithout(...VILLAGE_TOOLS, 'getent') }, () => {
  let village: Village;
  let laptop: Place;
  let phone: Place;
  let relayed: Place;
  let stranger: Place;
  let open: Place;

  before(async () => {
    village = await Village.start();
    const { lab, server } = village;
    const home = lab.nat('home', '198.51.100.21', '10.1.0.1', 'easy');
    const mobile = lab.nat('mobile', '198.51.100.22', '10.2.0.1', 'easy');
    const hotel = lab.nat('hotel', '198.51.100.23', '10.3.0.1', 'hard');
    laptop = await village.deviceAt(lab.hostBehind(home, 'laptop', '10.1.0.2'));
    phone = await village.deviceAt(lab.hostBehind(mobile, 'phone', '10.2.0.2'));
    relayed = await village.deviceAt(lab.hostBehind(mobile, 'relayed', '10.2.0.3'));
    stranger = await village.deviceAt(lab.hostBehind(hotel, 'stranger', '10.3.0.2'));
    open = await village.device('open');
    relayed.host.blockUdp();
    const key = await server.createKey(await server.createUser('ann'), '--reusable');
    for (const { newcomer } of [laptop, phone, relayed, stranger, open]) {
      await newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
    }
    for (const { host } of [phone, relayed, stranger, open]) {
      await laptop.client.untilPeer(host.name, (peer) => peer?.Online === true);
    }
    assert.match(await laptop.newcomer.says('tailscale ping phone'), /via 198\.51\.100\.22:/);
    assert.match((await laptop.client.pingOnce('relayed')).stdout, /via DERP\(malla\)/);
    await server.stopProcess();
    for (const { client } of [laptop, phone, relayed, stranger, open]) {
      await client.until('that the server is off', ({ Self }) => !Self.Online);
    }
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  test('devices that talk directly go on, and know each other’s names', async () => {
    await reached(laptop, phone);
    await knows(laptop, 'stranger');
  });

  test('those that are relayed by it do not', async () => {
    assert.ok(!(await laptop.client.reaches('relayed', 5)));
  });

  test('those that have not talked yet do where one can be reached from outside', async () => {
    await reached(laptop, open);
    assert.ok(!(await laptop.client.reaches('stranger', 10)));
  });

  test('a device that starts anew has its address and the names, and reaches nobody', async () => {
    await laptop.client.stopDaemon();
    await laptop.client.startDaemon();
    await laptop.client.until('an address', ({ Self }) => (Self.TailscaleIPs?.length ?? 0) > 0);
    await knows(laptop, 'phone');
    assert.ok(!(await laptop.client.reaches('phone', 10)));
  });

  test('when it comes back, all find each other by themselves', async () => {
    await village.server.startProcess();
    await village.server.untilNodes('all of them', BACK_MS, (nodes) =>
      nodes.every((node) => node.online),
    );
    for (const other of [phone, relayed, stranger, open]) await reached(laptop, other, BACK_MS);
  });

  test('the guide shows no commands', () => {
    new Guide('docs/guide/how-it-works.md').assertAllTaken();
  });
});

async function knows(from: Place, name: string): Promise<void> {
  assert.match(await from.newcomer.says(`getent ahostsv4 ${name}`), /^100\.64\.0\./);
}

function reached(from: Place, to: Place, ms: number = REACHED_MS): Promise<unknown> {
  const { name } = to.host;
  return until(`${name} from ${from.host.name}`, ms, () => from.client.reaches(name, 1));
}
