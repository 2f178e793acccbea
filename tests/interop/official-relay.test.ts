/**
 * An official relay (`derper`) in place of ours, of a DERP map that our control server fetches, as with
 * those of the hosted service; and it asks our control server whom to let in. Headscale's scenarios
 * PingAllByIPPublicDERP and DERPVerifyEndpoint. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OFFICIAL_VERSIONS, officialRelay } from './official-binaries.ts';
import { OfficialClient } from './official-client.ts';
import { isLetIn, nodeKeyOf } from './relay-guest.ts';
import { showLogs } from './show-logs.ts';

const SERVE_FILE = fileURLToPath(new URL('serve-file.ts', import.meta.url));
const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const RELAY = '198.51.100.11';
const MAPS = '198.51.100.12';

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describe('official clients with an official relay', { skip }, () => {
  let lab: Lab;
  let server: ControlServer;
  let relay: Host;
  let trust: string;
  const clients: OfficialClient[] = [];

  before(async () => {
    lab = new Lab();
    relay = lab.publicHost('relay', RELAY);
    trust = startRelay(relay);
    const maps = lab.publicHost('maps', MAPS);
    const mapFile = join(maps.dir, 'map.json');
    writeFileSync(mapFile, JSON.stringify({ Regions: { 900: regionOf(RELAY) } }));
    await once(maps.fork(SERVE_FILE, [mapFile]), 'message');
    server = await ControlServer.start(lab.publicHost('ctl', SERVER), {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: { enabled: false }, urls: [`http://${MAPS}/map.json`] },
      policy: { default: 'allow-all' },
    });
    for (const user of ['user1', 'user2']) {
      const key = await server.createKey(await server.createUser(user), '--reusable');
      for (const version of OFFICIAL_VERSIONS) {
        const name = `${user}-${version.replace('.', '-')}`;
        const host = lab.publicHost(name, `198.51.100.${31 + clients.length}`);
        host.blockUdp();
        const client = await OfficialClient.start(host, { version, trust });
        clients.push(client);
        await client.join(LOGIN, key);
      }
    }
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test('reach each other through it, by all of their addresses', async () => {
    for (const client of clients) {
      await client.until('the relay', ({ Self }) => Self.Relay === 'official');
    }
    const addresses = (await server.nodes()).flatMap(({ ipAddresses }) => ipAddresses);
    assert.equal(addresses.length, 2 * clients.length);
    for (const client of clients) {
      for (const address of addresses) await client.untilReaches(address);
    }
    const [first, second] = clients;
    const { stdout } = (await first?.pingOnce(second?.host.name ?? '')) ?? assert.fail();
    assert.match(stdout, /via DERP\(official\)/);
  });

  test('are let in by it, and strangers are not', async () => {
    assert.equal(await isLetIn(relay, RELAY, trust), false);
    for (const client of clients) {
      await client.stopDaemon();
      assert.equal(await isLetIn(relay, RELAY, trust, nodeKeyOf(client)), true, client.host.name);
    }
  });
});

/** Starts `derper`, which asks our server whom to let in; the certificate that it shows. */
function startRelay(host: Host): string {
  const { certFile, keyFile } = makeCertificate(host.dir, `IP:${RELAY}`);
  const certificates = join(host.dir, 'certificates');
  mkdirSync(certificates);
  copyFileSync(certFile, join(certificates, `${RELAY}.crt`));
  copyFileSync(keyFile, join(certificates, `${RELAY}.key`));
  const ask = [`-verify-client-url=${LOGIN}/verify`, '-verify-client-url-fail-open=false'];
  const show = ['-certmode=manual', `-certdir=${certificates}`, `-hostname=${RELAY}`];
  const keep = [`-c=${join(host.dir, 'derper.json')}`];
  host.start(
    [officialRelay(), '-a=:443', '-http-port=-1', ...show, ...ask, ...keep],
    join(host.dir, 'derper.log'),
  );
  return certFile;
}

function regionOf(address: string): object {
  const node = { Name: '900a', RegionID: 900, HostName: address, IPv4: address, DERPPort: 443 };
  return { RegionID: 900, RegionCode: 'official', RegionName: 'Official', Nodes: [node] };
}
