/** Official clients whose clock and the server's differ. The server's is wrong here; the clients cannot tell. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const HOUR_MS = 3_600_000;
const SKEWS = [
  { what: 'two days behind', ms: -48 * HOUR_MS },
  { what: 'two days ahead', ms: 48 * HOUR_MS },
] as const;

for (const { what, ms } of SKEWS) {
  const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');
  describeEachVersion(`a server whose clock is ${what}`, skip, (version) => {
    let lab: Lab;
    let ctl: Host;
    let server: ControlServer;
    let clients: readonly [OfficialClient, OfficialClient];

    before(async () => {
      lab = new Lab();
      ctl = lab.publicHost('ctl', SERVER);
      const { relay, client } = trustedRelay(ctl, version);
      server = await ControlServer.start(
        ctl,
        {
          server_url: LOGIN,
          listen_addr: '0.0.0.0:8080',
          tls_extra_listen_addr: '0.0.0.0:443',
          derp: { server: relay },
        },
        {
          NODE_OPTIONS: `--import=${import.meta.resolve('./clock-offset.ts')}`,
          MALLA_LAB_CLOCK_MS: String(ms),
        },
      );
      clients = [
        await OfficialClient.start(lab.publicHost('nodo1', '198.51.100.31'), client),
        await OfficialClient.start(lab.publicHost('nodo2', '198.51.100.32'), client),
      ];
    });
    after(() => lab.close());
    afterEach((t) => showLogs(t, server, clients));

    test('lets clients join, and they reach each other over its relay and directly', async () => {
      const user = await server.createUser('vpn1');
      const [list] = JSON.parse(await server.say('users', 'list', '--output', 'json')) as {
        readonly createdAt: string;
      }[];
      const wrongBy = Date.parse(list?.createdAt ?? '') - Date.now();
      assert.ok(Math.abs(wrongBy - ms) < HOUR_MS, `the server's clock is wrong by ${wrongBy} ms`);

      const key = await server.createKey(user, '--reusable', '--expiration', '1h');
      for (const client of clients) await client.join(LOGIN, key);
      const [first, second] = clients;
      await first.untilPeer('nodo2', (peer) => peer?.Online === true);
      second.host.blockUdp();
      assert.match((await first.pingOnce('nodo2')).stdout, /via DERP\(malla\)/);
      second.host.allowUdp();
      const { code, stdout } = await first.cli('ping', '--c=30', 'nodo2');
      assert.equal(code, 0, stdout);
      await first.untilReaches('nodo2');
    });

    test('takes them back after a restart', async () => {
      await server.restart();
      await server.untilNodes('both nodes online', 30_000, (nodes) =>
        nodes.every((node) => node.online),
      );
    });
  });
}
