/**
 * A client that is not of the official one's making: Tailscale's own in Rust (the crate `tailscale`, early
 * software in its makers' words), a web site in the tailnet with a network stack of its own. Headscale's
 * scenario TailscaleRustAxum. It knows no authority but Mozilla's and no pins, so control is plain HTTP
 * here, and the relay is one that it is told not to ask for its name. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { ControlServer, MALLA } from './control-server.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OFFICIAL_VERSIONS } from './official-binaries.ts';
import { OfficialClient } from './official-client.ts';
import { rustPeer } from './rust-peer.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const RELAY = '198.51.100.11';
const START_MS = 60_000;

describe('a client in Rust', { skip: skipWithout(...LAB_TOOLS, 'go', 'cargo', 'curl') }, () => {
  let lab: Lab;
  let site: Host;
  let address: string;
  let server: ControlServer;
  const clients: OfficialClient[] = [];

  before(async () => {
    const program = rustPeer();
    lab = new Lab();
    const relay = lab.publicHost('relay', RELAY);
    const ctl = lab.publicHost('ctl', SERVER);
    const data = join(relay.dir, 'relay');
    relay.start(
      [MALLA, 'relay', '--hostname', RELAY, '--data-dir', data],
      join(relay.dir, 'relay.log'),
    );
    const map = join(ctl.dir, 'derp.json');
    writeFileSync(map, JSON.stringify({ Regions: { 900: REGION } }));
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: { enabled: false }, paths: [map] },
      policy: { default: 'allow-all' },
    });
    const key = await server.createKey(await server.createUser('ann'), '--reusable');
    for (const version of OFFICIAL_VERSIONS) {
      const name = `go-${version.replace('.', '-')}`;
      const host = lab.publicHost(name, `198.51.100.${31 + clients.length}`);
      const client = await OfficialClient.start(host, { version });
      clients.push(client);
      await client.join(LOGIN, key);
    }
    site = lab.publicHost('rust', '198.51.100.41');
    const log = join(site.dir, 'rust.log');
    site.start([program, LOGIN, key, 'rust', join(site.dir, 'keys.json')], log);
    const ready = (): string | undefined => /^site at (\S+)$/m.exec(readFileSync(log, 'utf8'))?.[1];
    address = await until('its address', START_MS, ready, () => readFileSync(log, 'utf8'));
  });
  after(() => lab.close());
  afterEach((t) => {
    showLogs(t, server, clients);
    if (!t.passed) t.diagnostic(`--- rust\n${readFileSync(join(site.dir, 'rust.log'), 'utf8')}`);
  });

  test('joins with a key, and is online for everybody', async () => {
    const node = await server.node('rust');
    assert.equal(node.ipAddresses[0], address);
    assert.ok(node.online);
    for (const client of clients) await client.untilPeer('rust', (peer) => peer?.Online === true);
  });

  test('serves a web site that official clients reach by address and by name', async () => {
    for (const { host } of clients) {
      for (const where of [address, 'rust']) {
        const visit = ['curl', '-sS', '--max-time', '20', `http://${where}/`];
        assert.equal(await host.output(visit), 'rust');
      }
    }
  });
});

const REGION = {
  RegionID: 900,
  RegionCode: 'elsewhere',
  RegionName: 'Elsewhere',
  Nodes: [{ Name: '900a', RegionID: 900, HostName: RELAY, IPv4: RELAY, InsecureForTests: true }],
};
