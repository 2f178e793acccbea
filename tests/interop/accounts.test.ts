/**
 * Who may join and stay, with official clients: login by hand, auth keys, logging out and in again, expiry,
 * renaming and removal. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed, peersIn } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
/** The shortest that is allowed. */
const EPHEMERAL_MS = 66_000;
/** Within which a peer must know of a change that an administrator made. */
const AT_ONCE_MS = 2_000;
/** Within which clients come back to a server that was away. */
const RETURN_MS = 60_000;
/** Of the server: what expires must not depend on it. */
const TIME_ZONES = { '1.102': 'UTC', '1.80': 'America/Los_Angeles' } as const;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('accounts of official clients', skip, (version) => {
  let lab: Lab;
  let ctl: Host;
  let server: ControlServer;
  let vpn1: string;
  let vpn2: string;
  let watcher: OfficialClient;
  let client: OfficialClient;
  let ephemeral: OfficialClient;
  let ephemeralGoneAt: number;

  before(async () => {
    lab = new Lab();
    ctl = lab.publicHost('ctl', SERVER);
    const { relay, client: options } = trustedRelay(ctl, version);
    server = await ControlServer.start(
      ctl,
      {
        server_url: LOGIN,
        listen_addr: '0.0.0.0:8080',
        tls_extra_listen_addr: '0.0.0.0:443',
        derp: { server: relay },
        node: { ephemeral: { inactivity_timeout: `${EPHEMERAL_MS}ms` } },
      },
      { TZ: TIME_ZONES[version] },
    );
    vpn1 = await server.createUser('vpn1');
    vpn2 = await server.createUser('vpn2');
    await server.createUser('vpn3');
    [watcher, client, ephemeral] = await Promise.all([
      OfficialClient.start(lab.publicHost('watcher', '198.51.100.31'), options),
      OfficialClient.start(lab.publicHost('nodo', '198.51.100.32'), options),
      OfficialClient.start(lab.publicHost('brief', '198.51.100.33'), options),
    ]);
    await watcher.join(LOGIN, await server.createKey(vpn1));
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, [watcher, client, ephemeral]));

  test('an ephemeral device may come back, and when it is gone stays listed for its time (see the end)', async () => {
    await ephemeral.join(LOGIN, await server.createKey(vpn1, '--ephemeral'));
    await watcher.untilPeer('brief');
    await ephemeral.killDaemon();
    await ephemeral.startDaemon();
    await ephemeral.running();
    await watcher.untilPeer('brief', (peer) => peer?.Online === true);
    await ephemeral.killDaemon();
    ephemeralGoneAt = performance.now();
    await watcher.untilPeer('brief', (peer) => peer?.Online === false);
  });

  test('a login page shows the command that registers the device, and up returns by itself', async () => {
    const up = await client.up(LOGIN);
    assert.match(up.authUrl, /^http:\/\/198\.51\.100\.10:8080\/register\/hskey-authreq-[\w-]{24}$/);
    const id = up.authUrl.split('/').at(-1) ?? '';
    const page = await ctl.output([process.execPath, '-e', PRINT_PAGE, up.authUrl]);
    assert.match(page, new RegExp(`malla (-c \\S+ )?(nodes|auth) register [^<]*${id}`));
    assert.equal(
      await server.say('nodes', 'register', '--key', id, '--user', 'vpn1'),
      'Node registered',
    );
    assert.equal((await up.finished).code, 0);
    await client.running();
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
    await watcher.untilReaches('nodo');
    await client.untilReaches('watcher');
  });

  test('a device can be registered only to a user that exists', async () => {
    await client.cli('logout');
    const up = await client.up(LOGIN);
    const id = up.authUrl.split('/').at(-1) ?? '';
    const refused = await server.cli('auth', 'register', '--auth-id', id, '--user', 'nobody');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /user/);
    await server.say('auth', 'register', '--auth-id', id, '--user', 'vpn1');
    assert.equal((await up.finished).code, 0);
    await client.running();
  });

  test('a device that logs out and in again by hand as the same user is the same device', async () => {
    const earlier = await server.node('nodo');
    await client.cli('logout');
    await watcher.untilPeer('nodo', (peer) => peer?.Online !== true);
    await loginByHand('vpn1');
    const now = await server.node('nodo');
    assert.equal(now.id, earlier.id);
    assert.deepEqual(now.ipAddresses, earlier.ipAddresses);
    assert.deepEqual((await client.status()).Self.TailscaleIPs, earlier.ipAddresses);
    await watcher.untilReaches('nodo');
  });

  test('with an auth key it is the same device too', async () => {
    const earlier = await server.node('nodo');
    await client.cli('logout');
    await watcher.untilPeer('nodo', (peer) => peer?.Online !== true);
    await client.join(LOGIN, await server.createKey(vpn1));
    assert.deepEqual((await client.status()).Self.TailscaleIPs, earlier.ipAddresses);
    const nodes = (await server.nodes()).filter((node) => node.name === 'nodo');
    assert.deepEqual(
      nodes.map(({ id, online }) => [id, online]),
      [[earlier.id, true]],
    );
    await watcher.untilReaches('nodo');
  });

  for (const how of ['with a key', 'by hand'] as const) {
    test(`logged in as another user ${how} it is another device, which the first user does not see`, async () => {
      const earlier = await server.node('nodo');
      const other = how === 'with a key' ? 'vpn2' : 'vpn3';
      await client.cli('logout');
      if (how === 'with a key') await client.join(LOGIN, await server.createKey(vpn2));
      else await loginByHand(other);
      // It knows for a moment what it knew before.
      const status = await client.until(
        `${other}, who has no other device,`,
        (now) => now.User?.[now.Self.UserID]?.LoginName === other && peersIn(now).length === 0,
      );
      assert.notEqual(status.Self.TailscaleIPs?.[0], earlier.ipAddresses[0]);
      const seen = peersIn(await watcher.status()).map(({ TailscaleIPs }) => TailscaleIPs?.[0]);
      assert.ok(!seen.includes(status.Self.TailscaleIPs?.[0]));
      assert.ok(!(await watcher.reaches(await client.address(), 1)), 'no packet passes either');
      const kept = (await server.nodes()).find(({ id }) => id === earlier.id);
      assert.deepEqual([kept?.user?.name, kept?.online], ['vpn1', false]);
    });

    test(`back as the first user ${how} it is the first device again`, async () => {
      const earlier = (await server.nodes()).find(
        ({ name, user }) => name === 'nodo' && user?.name === 'vpn1',
      );
      await client.cli('logout');
      if (how === 'with a key') await client.join(LOGIN, await server.createKey(vpn1));
      else await loginByHand('vpn1');
      assert.deepEqual((await client.status()).Self.TailscaleIPs, earlier?.ipAddresses);
      await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
      await watcher.untilReaches('nodo');
    });
  }

  test('a key that is used up, expired, made to expire or unknown is refused, and the message says which', async () => {
    await client.cli('logout');
    const used = await server.createKey(vpn2);
    await client.join(LOGIN, used);
    await client.cli('logout');
    const expired = await server.createKey(vpn1, '--expiration', '1ms');
    const ended = await server.createKey(vpn1);
    await server.say('preauthkeys', 'expire', '--id', await newestKey());
    const refusals = [
      [used, /authkey already used/],
      [used.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')), /invalid pre auth key/],
      ['hskey-auth-doesnotexist', /invalid pre auth key/],
      [expired, /authkey expired/],
      [ended, /authkey expired/],
    ] as const;
    for (const [key, message] of refusals) {
      let said = '';
      // The command may end with what its daemon was told when it last tried by itself, with the former key.
      await until(
        `${message}`,
        RETURN_MS,
        async () => {
          const { code, stdout, stderr } = await client.tryJoin(LOGIN, key);
          assert.notEqual(code, 0);
          said = stderr + stdout;
          return message.test(said);
        },
        () => said,
      );
    }
    await client.join(LOGIN, await server.createKey(vpn1));
  });

  for (const [hostname, name] of [
    ['Mein Notebook', 'mein-notebook'],
    ["Joe's Mac mini", 'joes-mac-mini'],
    ['Test@Host', 'test-host'],
    ['mail.server', 'mail-server'],
    ['nodo', 'nodo'],
  ] as const) {
    test(`a device that changes its hostname to ${hostname} has its new name at its peers at once`, async () => {
      await client.cli('set', `--hostname=${hostname}`);
      await watcher.untilPeer(name, (peer) => peer?.HostName === hostname, AT_ONCE_MS);
      assert.equal((await server.node(name)).name, hostname);
    });
  }

  test('a renamed device has its new name at its peers at once, and keeps it', async () => {
    const { id } = await server.node('nodo');
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
    assert.equal(await server.say('nodes', 'rename', 'grande', '-i', id), 'Node renamed');
    await watcher.untilPeer('grande', (peer) => peer !== undefined, AT_ONCE_MS);
    await watcher.untilReaches('grande');
    assert.match((await client.status()).Self.DNSName, /^grande\./);
    await client.cli('set', '--hostname=nodo2');
    await watcher.untilPeer('grande', (peer) => peer?.HostName === 'nodo2', AT_ONCE_MS);
    assert.equal((await server.node('grande')).name, 'nodo2');
    await client.cli('set', '--hostname=nodo');
    await server.say('nodes', 'rename', 'nodo', '-i', id);
    await watcher.untilPeer('nodo', (peer) => peer !== undefined, AT_ONCE_MS);
  });

  test('a device stays when the key that it joined with is deleted', async () => {
    for (const id of await keyIds()) await server.say('preauthkeys', 'delete', '--id', id);
    await client.stopDaemon();
    await client.startDaemon();
    await client.running();
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
    await watcher.untilReaches('nodo');
  });

  test('an expired device must log in again, and is the same device then', async () => {
    const earlier = await server.node('nodo');
    assert.equal(await server.say('nodes', 'expire', '-i', earlier.id), 'Node expired');
    await watcher.untilPeer('nodo', (peer) => peer?.Expired === true, AT_ONCE_MS);
    const { KeyExpiry = '' } = peerNamed(await watcher.status(), 'nodo') ?? {};
    // Clients round to seconds.
    assert.ok(Date.parse(KeyExpiry) <= Date.now() + 1_000, KeyExpiry);
    assert.match((await watcher.cli('ping', '--c=1', 'nodo')).stderr, /node key has expired/);
    await client.until('NeedsLogin', (status) => status.BackendState === 'NeedsLogin', AT_ONCE_MS);
    assert.ok(!(await watcher.reaches(earlier.ipAddresses[0] ?? '', 1)));
    await client.join(LOGIN, await server.createKey(vpn1), '--force-reauth');
    await watcher.untilPeer('nodo', (peer) => peer !== undefined && peer.Expired !== true);
    assert.deepEqual((await server.node('nodo')).ipAddresses, earlier.ipAddresses);
    await watcher.untilReaches('nodo');
  });

  test('an expiry set for later reaches the client and its peers, and can be taken back', async () => {
    const { id } = await server.node('nodo');
    const later = new Date(Date.now() + 3_600_000).toISOString();
    await server.say('nodes', 'expire', '-i', id, '--expiry', later);
    const status = await client.until('its expiry', ({ Self }) => Self.KeyExpiry !== undefined);
    await watcher.untilPeer('nodo', (peer) => peer?.KeyExpiry !== undefined);
    const shown = peerNamed(await watcher.status(), 'nodo');
    for (const expiry of [status.Self.KeyExpiry, shown?.KeyExpiry]) {
      const inexact = Date.parse(expiry ?? '') - Date.parse(later);
      assert.ok(Math.abs(inexact) <= 1_000, `${inexact} ms`);
    }
    assert.notEqual(shown?.Expired, true);
    await server.say('nodes', 'expire', '-i', id, '--disable');
    await client.until('no expiry', ({ Self }) => Self.KeyExpiry === undefined);
    await watcher.untilPeer(
      'nodo',
      (peer) => peer?.KeyExpiry === undefined && peer?.Expired !== true,
    );
  });

  test('a device deleted while connected is forgotten by its peers at once and may come back', async () => {
    const { id } = await server.node('nodo');
    await watcher.untilReaches('nodo');
    assert.equal(await server.say('nodes', 'delete', '-i', id, '--force'), 'Node deleted');
    await watcher.untilPeer('nodo', (peer) => peer === undefined, AT_ONCE_MS);
    assert.ok((await server.node('watcher')).online, 'the server lives');
    await client.until('NeedsLogin', (status) => status.BackendState === 'NeedsLogin');
    await client.join(LOGIN, await server.createKey(vpn1), '--force-reauth');
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
    await watcher.untilReaches('nodo');
  });

  test("a destroyed user's devices and keys are void at once", async () => {
    await client.cli('logout');
    const spare = await server.createKey(vpn2, '--reusable');
    await client.join(LOGIN, spare);
    assert.equal(
      await server.say('users', 'destroy', '--name', 'vpn2', '--force'),
      'User destroyed',
    );
    await client.until('NeedsLogin', (status) => status.BackendState === 'NeedsLogin');
    const up = await client.tryJoin(LOGIN, spare, '--force-reauth');
    assert.match(up.stderr + up.stdout, /invalid pre auth key/);
    await client.join(LOGIN, await server.createKey(vpn1), '--force-reauth');
    assert.ok(peerNamed(await client.status(), 'watcher'));
  });

  test('an ephemeral device that logs out is removed at once', async () => {
    await client.cli('logout');
    await server.say('nodes', 'delete', '-i', (await server.node('nodo')).id, '--force');
    await client.join(LOGIN, await server.createKey(vpn1, '--ephemeral'));
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true);
    await client.cli('logout');
    await watcher.untilPeer('nodo', (peer) => peer === undefined, AT_ONCE_MS);
  });

  test('the ephemeral device from the beginning is removed after its time, not before', async () => {
    const left = EPHEMERAL_MS - (performance.now() - ephemeralGoneAt);
    if (left > 2_000) assert.ok((await server.nodes()).some((node) => node.givenName === 'brief'));
    await watcher.untilPeer('brief', (peer) => peer === undefined, Math.max(left, 0) + 30_000);
    assert.ok(!(await server.nodes()).some((node) => node.givenName === 'brief'));
  });

  test('a device deleted while it is away must log in when it is back', async () => {
    await client.join(LOGIN, await server.createKey(vpn1));
    const { id } = await server.node('nodo');
    // Else it is told over the connection that it still has.
    await server.stopProcess();
    await cutOff(client, '-I');
    await server.startProcess();
    assert.equal(await server.say('nodes', 'delete', '-i', id, '--force'), 'Node deleted');
    await cutOff(client, '-D');
    await client.until('NeedsLogin', (status) => status.BackendState === 'NeedsLogin', RETURN_MS);
    await client.join(LOGIN, await server.createKey(vpn1), '--force-reauth');
    await watcher.untilPeer('nodo', (peer) => peer?.Online === true, RETURN_MS);
    await watcher.untilReaches('nodo');
  });

  /** Logs the client in, which an administrator lets in as a user. */
  async function loginByHand(user: string): Promise<void> {
    const up = await client.up(LOGIN);
    await server.say('nodes', 'register', '--key', idOf(up.authUrl), '--user', user);
    assert.equal((await up.finished).code, 0);
    await client.running();
  }

  /** Ids of all pre-auth keys, in the order of making. */
  async function keyIds(): Promise<readonly string[]> {
    const keys = JSON.parse(await server.say('preauthkeys', 'list', '-o', 'json')) as {
      readonly id: number;
    }[];
    return keys.map(({ id }) => String(id));
  }

  async function newestKey(): Promise<string> {
    return (await keyIds()).at(-1) ?? assert.fail('there is a key');
  }
});

const PRINT_PAGE =
  'fetch(process.argv[1]).then((r) => r.text()).then((text) => process.stdout.write(text))';

/** Adds (`-I`) or takes away (`-D`) the rule by which a client does not reach the server. */
async function cutOff({ host }: OfficialClient, change: '-I' | '-D'): Promise<void> {
  await host.output(['iptables', change, 'OUTPUT', '-d', SERVER, '-j', 'REJECT']);
}

function idOf(authUrl: string): string {
  return authUrl.split('/').at(-1) ?? '';
}
