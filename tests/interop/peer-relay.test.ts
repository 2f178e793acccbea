/**
 * A client that relays for others by the policy (a peer relay): two official clients that cannot meet talk
 * through a third one instead of our own relay, where a grant lets them. Headscale's scenario GrantCapRelay.
 * Clients know this from release 1.86 on; one of 1.80 is in the tailnet too, and has nothing of it.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { ControlServer } from './control-server.ts';
import { trustedRelay } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const RELAY = '198.51.100.30';
const RELAY_PORT = '40000';
/** From a change to another path: paths are looked for when there is traffic, and given up when it fails. */
const OTHER_PATH_MS = 30_000;
const EVERYWHERE = { src: ['*'], dst: ['*'], ip: ['*'] };
const RELAYING = {
  src: ['ann@'],
  dst: ['tag:relay'],
  app: { 'tailscale.com/cap/relay': [{}] },
};

describe('a peer relay', { skip: skipWithout(...LAB_TOOLS, 'go', 'openssl') }, () => {
  let lab: Lab;
  let server: ControlServer;
  let a: OfficialClient;
  let b: OfficialClient;
  let relay: OfficialClient;
  /** Of a release that knows no peer relays. */
  let older: OfficialClient;

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const trusted = trustedRelay(ctl, '1.80');
    const newer = { ...trusted.client, version: '1.102' } as const;
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: trusted.relay },
      policy: { mode: 'database' },
    });
    const natA = lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'hard');
    const natB = lab.nat('nat-b', '198.51.100.22', '10.2.0.1', 'hard');
    [a, b, relay, older] = await Promise.all([
      OfficialClient.start(lab.hostBehind(natA, 'a', '10.1.0.2'), newer),
      OfficialClient.start(lab.hostBehind(natB, 'b', '10.2.0.2'), newer),
      OfficialClient.start(lab.publicHost('relay', RELAY), newer),
      OfficialClient.start(lab.hostBehind(natA, 'older', '10.1.0.3'), trusted.client),
    ]);
    await setGrants(EVERYWHERE);
    const ann = await server.createUser('ann');
    const key = await server.createKey(ann, '--reusable');
    await Promise.all([
      a.join(LOGIN, key),
      b.join(LOGIN, key),
      older.join(LOGIN, key),
      relay.join(LOGIN, await server.createKey(ann, '--tags', 'tag:relay')),
    ]);
    await a.untilPeer('b', (peer) => peer?.Online === true);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, [a, b, relay, older]));

  test('that offers itself is not used without a grant', async () => {
    const set = await relay.cli('set', `--relay-server-port=${RELAY_PORT}`);
    assert.equal(set.code, 0, set.stderr);
    for (let i = 0; i < 3; i++) assert.ok(await a.reaches(await b.address(), 5));
    assert.equal(await relayOf(a, 'b'), '');
  });

  test('carries what its clients have for each other', async () => {
    await setGrants(EVERYWHERE, RELAYING);
    await untilRelayed(true);
    assert.match(await relayOf(a, 'b'), new RegExp(`^${RELAY}:${RELAY_PORT}:vni:\\d+$`));
    await a.untilReaches(await b.address());
  });

  test('is nothing to a client that knows none: it is reached over the relay of the server', async () => {
    await older.untilReaches(await b.address());
    assert.match((await b.pingOnce('older')).stdout, /via DERP\(malla\)/);
    assert.equal(await relayOf(b, 'older'), '');
  });

  test('is no longer used when it is gone', async () => {
    await relay.stopDaemon();
    await untilRelayed(false);
    await a.untilReaches(await b.address());
  });

  async function setGrants(...grants: readonly object[]): Promise<void> {
    const file = join(server.host.dir, 'policy.hujson');
    writeFileSync(file, JSON.stringify({ tagOwners: { 'tag:relay': [] }, grants }));
    await server.say('policy', 'set', '--file', file);
  }

  async function untilRelayed(isRelayed: boolean): Promise<void> {
    const address = await b.address();
    await until(
      isRelayed ? 'the peer relay' : 'another path',
      OTHER_PATH_MS,
      async () => {
        // What looks for a path.
        await a.reaches(address, 1);
        return ((await relayOf(a, 'b')) !== '') === isRelayed;
      },
      () => server.logTail(1),
    );
  }
});

/** The peer relay through which a client talks to a peer; empty where it does not. */
async function relayOf(client: OfficialClient, name: string): Promise<string> {
  return peerNamed(await client.status(), name)?.PeerRelay ?? '';
}
