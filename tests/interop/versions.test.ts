/**
 * The oldest official client that is supported beside the newest. The relay has the operator's certificate
 * here: the pin of a self-made one is understood by newer clients only.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed, peersIn } from './official-client.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describe('official clients 1.80 and 1.102 together', { skip }, () => {
  let lab: Lab;
  let server: ControlServer;
  let older: OfficialClient;
  let newer: OfficialClient;

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const natA = lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'easy');
    const natB = lab.nat('nat-b', '198.51.100.22', '10.2.0.1', 'easy');
    const certificate = makeCertificate(ctl.dir, `IP:${SERVER}`);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: {
        server: {
          ipv4: SERVER,
          cert_path: certificate.certFile,
          key_path: certificate.keyFile,
        },
      },
    });
    const trust = certificate.certFile;
    [older, newer] = await Promise.all([
      OfficialClient.start(lab.hostBehind(natA, 'older', '10.1.0.2'), { version: '1.80', trust }),
      OfficialClient.start(lab.hostBehind(natB, 'newer', '10.2.0.2'), { trust }),
    ]);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, [older, newer]));

  test('both join', async () => {
    const key = await server.createKey(await server.createUser('vpn1'), '--reusable');
    await older.join(LOGIN, key);
    await newer.join(LOGIN, key);
    assert.deepEqual((await older.status()).Health ?? [], []);
  });

  for (const [name, peer] of [
    ['older', 'newer'],
    ['newer', 'older'],
  ] as const) {
    test(`${name} reaches ${peer} over the relay, then directly, and by name`, async () => {
      const client = name === 'older' ? older : newer;
      await client.untilPeer(peer, (status) => status?.Online === true);
      const { code, stdout } = await client.cli('ping', peer);
      assert.equal(code, 0, stdout);
      assert.match(stdout, new RegExp(`^pong from ${peer} .* via (198\\.51|DERP\\(malla\\))`));
      await client.untilReaches(peer);
    });
  }

  test('both come back after a restart of the server, and follow what changes', async () => {
    await server.restart();
    await server.untilNodes('both nodes online', 30_000, (nodes) =>
      nodes.every((node) => node.online),
    );
    const { id } = await server.node('newer');
    await server.say('nodes', 'rename', 'newest', '-i', id);
    await older.untilPeer('newest');
    await server.say('nodes', 'delete', '-i', id, '--force');
    const status = await older.until('no peer', (now) => peerNamed(now, 'newest') === undefined);
    assert.deepEqual(peersIn(status), []);
  });
});
