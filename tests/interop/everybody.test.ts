/**
 * Two users with a device of each release, who may all reach each other: headscale's scenarios `general` that
 * are about everybody at once. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlServer } from './control-server.ts';
import { trustedRelay } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peersIn } from './official-client.ts';
import { OFFICIAL_VERSIONS } from './official-binaries.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const BASE = 'tailnet.example.org';
/** Longer than silent streams and relay connections go without a keep-alive; or as many minutes as are asked for. */
const WATCHED_MS = Number(process.env['MALLA_LAB_MINUTES'] ?? 75 / 60) * 60_000;
const LOOK_MS = 1_000;
/** With the ten seconds in which a client may come back unnoticed. */
const NOTICED_MS = 30_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describe('devices of two users and of both releases', { skip }, () => {
  let lab: Lab;
  let server: ControlServer;
  const clients: OfficialClient[] = [];

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const { relay, client } = trustedRelay(ctl, '1.80');
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: relay },
      dns: { base_domain: BASE },
      prefixes: { allocation: 'random' },
      policy: { default: 'allow-all' },
    });
    for (const user of ['user1', 'user2']) {
      const key = await server.createKey(await server.createUser(user), '--reusable');
      for (const version of OFFICIAL_VERSIONS) {
        const name = `${user}-${version.replace('.', '-')}`;
        const host = lab.publicHost(name, `198.51.100.${31 + clients.length}`);
        const started = await OfficialClient.start(host, { ...client, version });
        clients.push(started);
        await started.join(LOGIN, key);
      }
    }
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test('have addresses drawn at random, and reach each other by all of them', async () => {
    const addresses = (await server.nodes()).flatMap(({ ipAddresses }) => ipAddresses);
    assert.equal(new Set(addresses).size, 2 * clients.length);
    assert.ok(!addresses.some((address) => /^100\.64\.0\.[1-9]$/.test(address)), 'not one by one');
    await reachAll(addresses);
  });

  test('reach each other by name', async () => {
    await reachAll(clients.map(({ host }) => `${host.name}.${BASE}`));
  });

  test('are shown online by the server and by each other all the time', async () => {
    const end = performance.now() + WATCHED_MS;
    let looks = 0;
    for (; performance.now() < end; looks++) {
      for (const { givenName, online } of await server.nodes()) assert.ok(online, givenName);
      for (const client of clients) {
        const peers = peersIn(await client.status());
        assert.equal(peers.length, clients.length - 1);
        for (const peer of peers) assert.ok(peer.Online, `${client.host.name}: ${peer.HostName}`);
      }
      await sleep(LOOK_MS);
    }
    assert.ok(looks > 20, `looked ${looks} times`);
  });

  test('go down and up again together, three times, and reach each other each time', async () => {
    const addresses = (await server.nodes()).flatMap(({ ipAddresses }) => ipAddresses);
    for (let round = 0; round < 3; round++) {
      await Promise.all(clients.map((client) => client.cli('down')));
      await server.untilNodes('nobody online', NOTICED_MS, (nodes) =>
        nodes.every((node) => !node.online),
      );
      await Promise.all(clients.map((client) => client.cli('up')));
      await server.untilNodes('everybody online', NOTICED_MS, (nodes) =>
        nodes.every((node) => node.online),
      );
      for (const client of clients) await client.running();
      await reachAll(addresses);
    }
  });

  /** Everybody reaches all of these, of whatever family. */
  async function reachAll(destinations: readonly string[]): Promise<void> {
    await Promise.all(
      clients.map(async (client) => {
        for (const destination of destinations) await client.untilReaches(destination);
      }),
    );
  }
});
