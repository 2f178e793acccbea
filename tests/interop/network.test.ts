/**
 * Official clients behind NATs: joining, finding each other, the relay and the way past it, names, and
 * what they notice of a server that goes away. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { type ClientOptions, OfficialClient, peerNamed } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { steadyPings } from './steady-pings.ts';
import type { Told } from './transfer.ts';

const TRANSFER = fileURLToPath(new URL('transfer.ts', import.meta.url));
const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
/** From a healthy server to a client that is connected again: its back-off grows to some seconds. */
const BACK_MS = 30_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('official clients behind NATs', skip, (version) => {
  let lab: Lab;
  let natB: Host;
  let server: ControlServer;
  let user: string;
  let key: string;
  let options: ClientOptions;
  const clients = new Map<string, OfficialClient>();
  const client = (name: string): OfficialClient => {
    const found = clients.get(name);
    assert.ok(found, `client ${name} was started`);
    return found;
  };
  const start = async (host: Host): Promise<OfficialClient> => {
    const started = await OfficialClient.start(host, options);
    clients.set(host.name, started);
    return started;
  };

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const natA = lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'easy');
    natB = lab.nat('nat-b', '198.51.100.22', '10.2.0.1', 'easy');
    const natC = lab.nat('nat-c', '198.51.100.23', '10.3.0.1', 'hard');
    const { relay, client: trusting } = trustedRelay(ctl, version);
    options = trusting;
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      dns: { base_domain: 'tailnet.example.org' },
      derp: { server: relay },
    });
    user = await server.createUser('vpn1');
    key = await server.createKey(user, '--reusable', '--expiration', '24h');
    await Promise.all([
      start(lab.hostBehind(natA, 'nodo1', '10.1.0.2')),
      start(lab.hostBehind(natB, 'nodo2', '10.2.0.2')),
      start(lab.hostBehind(natC, 'nodo3', '10.3.0.2')),
    ]);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients.values()));

  test('a device joins with an auth key, and up returns when it is connected', async () => {
    assert.match(key, /^hskey-auth-/);
    await client('nodo1').join(LOGIN, key);
    await client('nodo2').join(LOGIN, key);
    const [first, second] = [await client('nodo1').status(), await client('nodo2').status()];
    assert.deepEqual(first.Self.TailscaleIPs, ['100.64.0.1', 'fd7a:115c:a1e0::1']);
    assert.deepEqual(second.Self.TailscaleIPs, ['100.64.0.2', 'fd7a:115c:a1e0::2']);
    assert.equal(first.Self.DNSName, 'nodo1.tailnet.example.org.');
    assert.equal(first.Self.Relay, 'malla');
    assert.deepEqual(first.Health ?? [], []);
  });

  test('the network card of the tunnel has the address and an MTU of 1280', async () => {
    const card = await client('nodo1').host.output(['ip', 'addr', 'show', 'tailscale0']);
    assert.match(card, /inet 100\.64\.0\.1\/32 /);
    assert.match(card, /inet6 fd7a:115c:a1e0::1\/128 /);
    assert.match(card, / mtu 1280 /);
  });

  test('status lists the peer: address, name, user, system', async () => {
    await client('nodo1').untilPeer('nodo2', (peer) => peer?.Online === true);
    const { stdout } = await client('nodo1').cli('status');
    assert.match(stdout, /^100\.64\.0\.1 +nodo1 +vpn1@? +linux +- *$/m);
    assert.match(stdout, /^100\.64\.0\.2 +nodo2 +vpn1@? +linux +(-|idle|active)/m);
  });

  test('the server lists both as connected', async () => {
    const table = await server.say('nodes', 'list');
    const [head = '', ...rows] = table.split('\n').filter((line) => line.includes('|'));
    assert.deepEqual(
      head.split('|').map((cell) => cell.trim()),
      'ID,Hostname,Name,MachineKey,NodeKey,User,Tags,IP addresses,Ephemeral,Last seen,Expiration,Connected,Expired'.split(
        ',',
      ),
    );
    assert.equal(rows.filter((row) => /\bonline\b/.test(row)).length, 2);
    assert.match(table, /100\.64\.0\.1, fd7a:115c:a1e0::1/);
  });

  test('a ping goes over the relay first and directly soon after, through both NATs', async () => {
    const { code, stdout } = await client('nodo1').cli('ping', 'nodo2');
    const pongs = stdout.trim().split('\n');
    assert.equal(code, 0, stdout);
    assert.match(
      pongs[0] ?? '',
      /^pong from nodo2 \(100\.64\.0\.2\) via DERP\(malla\) in \d+m?s$/,
      stdout,
    );
    assert.match(
      pongs.at(-1) ?? '',
      /^pong from nodo2 \(100\.64\.0\.2\) via 198\.51\.100\.22:\d+ in \d+m?s$/,
      stdout,
    );
    const status = await client('nodo1').cli('status');
    assert.match(status.stdout, /nodo2 .* active; direct 198\.51\.100\.22:\d+/);
  });

  test('a peer is reached by name and over IPv6', async () => {
    const { host } = client('nodo1');
    for (const name of ['nodo2', 'nodo2.tailnet.example.org', 'fd7a:115c:a1e0::2']) {
      await host.output(['ping', '-c', '1', '-W', '2', name]);
    }
    const hosts = await host.output(['getent', 'ahostsv4', 'nodo2']);
    assert.match(hosts, /^100\.64\.0\.2 /);
  });

  test('a transfer through the tunnel arrives whole', async () => {
    const receiver = client('nodo2').host.fork(TRANSFER, ['receive']);
    const { port } = await told(receiver);
    const received = told(receiver);
    const args = ['send', '100.64.0.2', String(port), String(8 << 20)];
    const sent = await told(client('nodo1').host.fork(TRANSFER, args));
    assert.match(sent.sha256 ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(await received, sent);
  });

  test('a file that is sent to a peer lands in its inbox', async () => {
    const [from, to] = [client('nodo1'), client('nodo2')];
    const letter = join(from.host.dir, 'letter.txt');
    writeFileSync(letter, 'hello over Taildrop');
    const sent = await from.cli('file', 'cp', letter, 'nodo2:');
    assert.equal(sent.code, 0, sent.stderr);
    const received = await to.cli('file', 'get', '--wait', to.host.dir);
    assert.equal(received.code, 0, received.stderr);
    assert.equal(readFileSync(join(to.host.dir, 'letter.txt'), 'utf8'), 'hello over Taildrop');
  });

  test('behind a hard NAT a peer stays on the relay and works', async () => {
    await client('nodo3').join(LOGIN, key);
    await client('nodo1').untilPeer('nodo3', (peer) => peer?.Online === true);
    const ping = await client('nodo1').cli('ping', '--c=5', 'nodo3');
    assert.notEqual(ping.code, 0, ping.stdout);
    assert.match(ping.stdout + ping.stderr, /direct connection not established/);
    assert.match(ping.stdout, /^(pong from nodo3 \(100\.64\.0\.3\) via DERP\(malla\) .*\n){5}/);
    await client('nodo3').untilReaches('nodo1');
  });

  test('with UDP blocked a peer moves to the relay and works, and moves back', async () => {
    const { host } = client('nodo2');
    host.blockUdp();
    await client('nodo1').untilPeer('nodo2', (peer) => peer?.CurAddr === '');
    const relayed = await client('nodo1').pingOnce('nodo2');
    assert.match(relayed.stdout, /via DERP\(malla\)/);
    await client('nodo1').untilReaches('nodo2');
    host.allowUdp();
    for (const [from, to] of [
      ['nodo1', 'nodo2'],
      ['nodo2', 'nodo1'],
    ] as const) {
      const direct = await client(from).cli('ping', '--c=30', to);
      assert.equal(direct.code, 0, direct.stdout);
    }
  });

  test('a server that restarts is not noticed: pings go on, clients come back by themselves', async () => {
    const pings = await steadyPings(client('nodo1').host, '100.64.0.2');
    await server.restart();
    await allOnline(BACK_MS);
    assert.deepEqual(await pings.stop(), []);
  });

  test('a relay that restarts takes its clients back: a peer behind a hard NAT is reached again', async () => {
    const pings = await steadyPings(client('nodo1').host, '100.64.0.3');
    await server.restart();
    await pings.untilAnswered(5, BACK_MS);
    await pings.stop();
    await allOnline(BACK_MS);
  });

  test('a server that is away for a while is not missed, however it ended', async () => {
    const pings = await steadyPings(client('nodo1').host, '100.64.0.2');
    await server.stopProcess('SIGKILL');
    // Away for as long as the clients' own attempts take to fail and back off a few times.
    await client('nodo1').until(
      'notice that the server is away',
      (status) => (status.Health ?? []).length > 0,
      BACK_MS,
    );
    assert.match((await client('nodo2').pingOnce('nodo1')).stdout, /via 198\.51\.100\.21:\d+/);
    await server.startProcess();
    await allOnline(BACK_MS);
    assert.deepEqual(await pings.stop(), []);
  });

  test('a client that restarts is connected again without a login, and its peers follow', async () => {
    await client('nodo2').stopDaemon();
    await client('nodo1').untilPeer('nodo2', (peer) => peer?.Online === false);
    await client('nodo2').startDaemon();
    const status = await client('nodo2').running();
    assert.deepEqual(status.Self.TailscaleIPs?.[0], '100.64.0.2');
    await client('nodo1').untilPeer('nodo2', (peer) => peer?.Online === true);
    const { code, stdout } = await client('nodo1').cli('ping', 'nodo2');
    assert.equal(code, 0, stdout);
  });

  test('down and up change what the peers see within seconds', async () => {
    await client('nodo3').cli('down');
    await client('nodo1').untilPeer('nodo3', (peer) => peer?.Online === false);
    await client('nodo3').cli('up');
    await client('nodo3').running();
    await client('nodo1').untilPeer('nodo3', (peer) => peer?.Online === true);
  });

  /** Waits until the server has a live session with every node, and every client knows it. */
  async function allOnline(deadlineMs: number): Promise<void> {
    await server.untilNodes('all nodes online', deadlineMs, (nodes) =>
      nodes.every((node) => node.online),
    );
    for (const one of clients.values()) await one.running(deadlineMs);
    await client('nodo1').until('all peers online', (status) =>
      ['nodo2', 'nodo3'].every((name) => peerNamed(status, name)?.Online === true),
    );
  }
});

/** The next thing that a transfer process tells. */
function told(process: ChildProcess): Promise<Told> {
  return new Promise((resolve) => process.once('message', (message: Told) => resolve(message)));
}
