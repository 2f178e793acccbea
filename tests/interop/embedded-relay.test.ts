/**
 * Our embedded relay as the only way between devices of three users, each in a network of its own: headscale's
 * scenarios DERPServerScenario and DERPServerWebsocketScenario. Tests build on each other, in order.
 * Clients as browsers have them are there too, as those of 1.80 want a server on port 443.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import {
  browserPeer,
  OFFICIAL_VERSIONS,
  type OfficialVersion,
  wasmRuntime,
} from './official-binaries.ts';
import { isLetIn, nodeKeyOf } from './relay-guest.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `https://${SERVER}`;
const BASE = 'tailnet.example.org';
const VERSIONS: readonly OfficialVersion[] = ['1.102', '1.80', '1.102'];
/** In which a browser joins and has its map. */
const JOINED_MS = 60_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describe('devices whose only way is the relay of control', { skip, concurrency: true }, () => {
  for (const through of ['TLS', 'WebSockets'] as const) {
    describe(`through ${through}`, { concurrency: 1 }, () => {
      let lab: Lab;
      let ctl: Host;
      let server: ControlServer;
      let trust: string;
      const clients: OfficialClient[] = [];

      before(async () => {
        // Here, where a build holds up nobody who waits for an answer.
        for (const version of OFFICIAL_VERSIONS) browserPeer(version);
        lab = new Lab();
        ctl = lab.publicHost('ctl', SERVER);
        const { certFile, keyFile } = makeCertificate(ctl.dir, `IP:${SERVER}`);
        trust = certFile;
        server = await ControlServer.start(ctl, {
          server_url: LOGIN,
          listen_addr: '0.0.0.0:443',
          tls_cert_path: certFile,
          tls_key_path: keyFile,
          dns: { base_domain: BASE },
          derp: { server: { ipv4: SERVER } },
          policy: { default: 'allow-all' },
        });
        for (const [index, version] of VERSIONS.entries()) {
          const user = `user${index + 1}`;
          const key = await server.createKey(await server.createUser(user));
          const nat = lab.nat(`nat${index}`, `198.51.100.${21 + index}`, `10.${index}.0.1`, 'hard');
          const host = lab.hostBehind(nat, user, `10.${index}.0.2`);
          host.blockUdp();
          const webSockets = through === 'WebSockets';
          const client = await OfficialClient.start(host, { version, trust, webSockets });
          clients.push(client);
          await client.join(LOGIN, key);
        }
      });
      after(() => lab.close());
      afterEach((t) => showLogs(t, server, clients));

      test('reach each other by name, and miss no relay', async () => {
        await reachAll();
      });

      test('still do after new relay maps, which change nothing', async () => {
        for (let nth = 0; nth < 3; nth++) server.reload();
        await reachAll();
      });

      test(`have come through ${through}`, () => {
        for (const client of clients) {
          const used = /derphttp\.Client.*: connecting websocket to/.test(
            readFileSync(client.logFile, 'utf8'),
          );
          assert.equal(used, through === 'WebSockets', client.logTail());
        }
      });

      test('see a client that is in a browser, of either release', async () => {
        const key = await server.createKey(await server.createUser('browsers'), '--reusable');
        for (const version of OFFICIAL_VERSIONS) {
          const name = `browser-${version.replace('.', '-')}`;
          const log = join(ctl.dir, `${name}.log`);
          const program = [process.execPath, wasmRuntime(), browserPeer(version), LOGIN, key, name];
          // It ends when its input does.
          const waiting = ['sh', '-c', 'sleep 600 | exec "$@"', 'sh', ...program];
          ctl.start(waiting, log, { NODE_EXTRA_CA_CERTS: trust });
          const said = (): string => readFileSync(log, 'utf8');
          const isThere = (): boolean => said().includes(`"name":"${name}.${BASE}."`);
          await until(`the map of ${name}`, JOINED_MS, isThere, said);
          for (const client of clients) await client.untilPeer(name);
        }
      });

      test('are let in by the relay, and strangers are not', async () => {
        assert.equal(await isLetIn(ctl, SERVER, trust), false);
        for (const client of clients) {
          await client.stopDaemon();
          assert.equal(await isLetIn(ctl, SERVER, trust, nodeKeyOf(client)), true);
        }
      });

      async function reachAll(): Promise<void> {
        for (const from of clients) {
          for (const to of clients) {
            if (from === to) continue;
            await from.untilReaches(`${to.host.name}.${BASE}`);
            assert.match((await from.pingOnce(to.host.name)).stdout, /via DERP\(malla\)/);
          }
          const { Health } = await from.status();
          assert.doesNotMatch((Health ?? []).join(), /relay server/);
        }
      }
    });
  }
});
