/**
 * Official clients that carry traffic for others: an exit node, subnet routers of which one stands in for
 * the other, and a site behind 4via6. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { type ClientOptions, OfficialClient, peerNamed } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import type { Told } from './transfer.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const WEB = { v4: '198.51.100.30', v6: '2001:db8::30' };
/** Of the site where the exit node is: its NAT outside, and the exit node itself. */
const EXIT = { v4: '198.51.100.23', v6: '2001:db8:3::2' };
const LAN = '10.1.0.0/24';
const PRINTER = '10.1.0.9';
const WHO_AM_I = fileURLToPath(new URL('who-am-i.ts', import.meta.url));
const TRANSFER = fileURLToPath(new URL('transfer.ts', import.meta.url));
const TAKES_EFFECT_MS = 10_000;
/** Within which a router that falls silent is replaced, as promised. */
const FAILOVER_MS = 5_000;
/** And one that says goodbye. */
const GOODBYE_MS = 2_000;
const TRANSFER_SECONDS = 12;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('exit nodes and subnet routers', skip, (version) => {
  let lab: Lab;
  let printer: Host;
  let server: ControlServer;
  let exit: OfficialClient;
  let first: OfficialClient;
  let second: OfficialClient;
  let traveller: OfficialClient;
  let options: ClientOptions;
  const clients: OfficialClient[] = [];
  const start = async (host: Host): Promise<OfficialClient> => {
    const client = await OfficialClient.start(host, options);
    clients.push(client);
    return client;
  };

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const web = lab.publicHost('web', WEB.v4);
    const natA = lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'easy');
    const natB = lab.nat('nat-b', '198.51.100.22', '10.2.0.1', 'easy');
    const natC = lab.nat('nat-c', EXIT.v4, '10.3.0.1', 'easy');
    const exitHost = lab.hostBehind(natC, 'exit', '10.3.0.2');
    await addIpv6(web, natC, exitHost);
    printer = lab.hostBehind(natA, 'printer', PRINTER);
    for (const host of [web, printer]) {
      host.start([process.execPath, WHO_AM_I], `${host.dir}/web.log`);
    }
    const { relay, client: trusting } = trustedRelay(ctl, version);
    options = trusting;
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      dns: { base_domain: 'tailnet.example.org' },
      derp: { server: relay },
    });
    [exit, first, second, traveller] = await Promise.all([
      start(exitHost),
      start(lab.hostBehind(natA, 'first', '10.1.0.2')),
      start(lab.hostBehind(natA, 'second', '10.1.0.3')),
      start(lab.hostBehind(natB, 'traveller', '10.2.0.2')),
    ]);
    for (const { host } of [exit, first, second]) await forward(host);
    const key = await server.createKey(await server.createUser('vpn1'), '--reusable');
    await exit.join(LOGIN, key, '--advertise-exit-node');
    // The printer sees who asks, so that a connection can go on through another router.
    const asIs = ['--snat-subnet-routes=false', '--stateful-filtering=false'];
    await first.join(LOGIN, key, `--advertise-routes=${LAN}`, ...asIs);
    await second.join(LOGIN, key, `--advertise-routes=${LAN}`, ...asIs);
    await traveller.join(LOGIN, key);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test('offered routes wait for an approval', async () => {
    await traveller.untilPeer('exit', (peer) => peer?.Online === true);
    const refused = await traveller.cli('set', '--exit-node=exit');
    assert.notEqual(refused.code, 0, 'a node whose routes are not approved is no exit node');
    const routes = await server.say('nodes', 'list-routes');
    assert.match(routes, /0\.0\.0\.0\/0/);
    assert.match(routes, /10\.1\.0\.0\/24/);
  });

  test('through an approved exit node, web sites see its addresses, of both families', async () => {
    assert.equal(await seenBy(WEB.v4), '198.51.100.22');
    assert.equal(await seenBy(WEB.v6), '', 'the traveller has no IPv6 of its own');
    const { id } = await server.node('exit');
    await server.say('nodes', 'approve-routes', '--identifier', id, '--routes', '0.0.0.0/0');
    assert.match(await server.say('nodes', 'list-routes', '-i', id), /::\/0/);
    await until('exit is an exit node', TAKES_EFFECT_MS, async () => {
      return (await traveller.cli('set', '--exit-node=exit')).code === 0;
    });
    await untilSeen(WEB.v4, EXIT.v4);
    await untilSeen(WEB.v6, EXIT.v6);
    await traveller.cli('set', '--exit-node=');
    await untilSeen(WEB.v4, '198.51.100.22');
  });

  test('an approved subnet is reached by those who accept routes', async () => {
    await traveller.cli('set', '--accept-routes');
    await printer.output(['ip', 'route', 'add', '100.64.0.0/10', 'via', first.host.address]);
    assert.equal(await seenBy(PRINTER), '', 'not yet approved');
    await approve('first', LAN);
    await untilSeen(PRINTER, await traveller.address());
    await approve('first');
    await untilSeen(PRINTER, '');
  });

  test('a first policy takes away what its preview says, and gives it back when it is unset', async () => {
    await approve('first', LAN);
    await untilSeen(PRINTER, await traveller.address());
    const explained = (): Promise<string> => server.say('policy', 'explain', 'traveller', PRINTER);
    assert.match(await explained(), /^traveller may reach .* through first .* no policy is set/);
    // Devices, but not what they route.
    const file = join(server.host.dir, 'policy.hujson');
    const grants = [{ src: ['autogroup:member'], dst: ['autogroup:self'], ip: ['*'] }];
    writeFileSync(file, JSON.stringify({ grants }));
    const preview = await server.say('policy', 'preview', file);
    assert.match(preview, /^ {2}- routes +0\.0\.0\.0\/0 via exit, 10\.1\.0\.0\/24 via first, /m);
    assert.doesNotMatch(preview, /^ {2}[+-] peers/m);
    await server.say('policy', 'set', file);
    await untilSeen(PRINTER, '');
    assert.match(await explained(), /^traveller may not reach/);
    const back = await server.say('policy', 'preview', '--unset');
    assert.match(back, /^ {2}\+ routes +0\.0\.0\.0\/0 via exit, 10\.1\.0\.0\/24 via first, /m);
    await server.say('policy', 'unset');
    await untilSeen(PRINTER, await traveller.address());
    await approve('first');
  });

  test('of two routers for one subnet only one serves it', async () => {
    await approve('first', LAN);
    await approve('second', LAN);
    await untilServes(first, TAKES_EFFECT_MS);
    const listed = await server.say('nodes', 'list-routes', '-o', 'json');
    const nodes = JSON.parse(listed) as {
      readonly givenName: string;
      readonly approvedRoutes: readonly string[];
      readonly subnetRoutes: readonly string[];
    }[];
    const served = nodes.map((node) => [node.givenName, node.approvedRoutes, node.subnetRoutes]);
    assert.deepEqual(served.slice(1), [
      ['first', [LAN], [LAN]],
      ['second', [LAN], []],
    ]);
  });

  test('a transfer goes on when its router falls silent', async (t) => {
    const receiver = printer.fork(TRANSFER, ['receive']);
    const { port } = await told(receiver);
    const args = ['send', PRINTER, String(port), String(4 << 20), String(TRANSFER_SECONDS)];
    const sender = traveller.host.fork(TRANSFER, args);
    const ends = Promise.all([told(sender), told(receiver)]);
    ends.catch(() => {}); // When the test fails first, nobody waits for it.
    await until('the transfer is under way', TAKES_EFFECT_MS, async () => {
      return (peerNamed(await traveller.status(), 'first')?.TxBytes ?? 0) > 1 << 20;
    });
    await first.host.output(['ip', 'link', 'set', 'eth0', 'down']);
    const fell = performance.now();
    // What a site's own routing does when a router is gone.
    await printer.output(['ip', 'route', 'replace', '100.64.0.0/10', 'via', second.host.address]);
    await untilServes(second, FAILOVER_MS);
    t.diagnostic(`replaced after ${Math.round(performance.now() - fell)} ms`);
    await untilSeen(PRINTER, await traveller.address());
    t.diagnostic(`a new connection after ${Math.round(performance.now() - fell)} ms`);
    const [sent, received] = await ends;
    assert.deepEqual(received, sent);
  });

  test('one that comes back takes nothing back', async () => {
    await first.host.output(['ip', 'link', 'set', 'eth0', 'up']);
    await first.host.output(['ip', 'route', 'replace', 'default', 'via', '10.1.0.1']);
    await first.running();
    await traveller.untilPeer('first', (peer) => peer?.Online === true);
    await untilServes(second, FAILOVER_MS);
    const suspected = server.logTail(1_000).match(/router does not answer.*/g) ?? [];
    assert.equal(suspected.length, 1, `nobody else was ever suspected: ${suspected.join('\n')}`);
  });

  test('one that says goodbye is replaced at once', async (t) => {
    await second.cli('down');
    const left = performance.now();
    await untilServes(first, GOODBYE_MS);
    t.diagnostic(`replaced after ${Math.round(performance.now() - left)} ms`);
    await printer.output(['ip', 'route', 'replace', '100.64.0.0/10', 'via', first.host.address]);
    await untilSeen(PRINTER, await traveller.address());
  });

  test('a site is reached by its 4via6 prefix', async () => {
    const via = await server.say('debug', 'via', '7', LAN);
    assert.equal(via, 'fd7a:115c:a1e0:b1a:0:7:a01:0/120');
    await first.cli('set', `--advertise-routes=${LAN},${via}`);
    await approve('first', LAN, via);
    // The router itself asks on behalf of who asks.
    await untilSeen('fd7a:115c:a1e0:b1a:0:7:a01:9', first.host.address);
  });

  async function approve(name: string, ...routes: readonly string[]): Promise<void> {
    const { id } = await server.node(name);
    await server.say('nodes', 'approve-routes', '--identifier', id, '--routes', routes.join(','));
  }

  /** Until the traveller's map has the subnet with this router, and with no other. */
  async function untilServes(router: OfficialClient, deadlineMs: number): Promise<void> {
    await traveller.until(
      `${LAN} by ${router.host.name}`,
      (status) =>
        [first, second].every(({ host }) => {
          const peer = peerNamed(status, host.name);
          const serves = peer?.AllowedIPs?.includes(LAN) === true;
          assert.equal(peer?.PrimaryRoutes?.includes(LAN) === true, serves);
          return serves === (host === router.host);
        }),
      deadlineMs,
    );
  }

  function untilSeen(address: string, as: string): Promise<unknown> {
    return until(
      `${address} sees ${as || 'nobody'}`,
      TAKES_EFFECT_MS,
      async () => (await seenBy(address)) === as,
    );
  }

  /** What a web server that answers with its client's address tells the traveller; empty: it is not reached. */
  async function seenBy(address: string): Promise<string> {
    const { stdout } = await traveller.host.run([process.execPath, WHO_AM_I, address]);
    return stdout.trim();
  }
});

/** Gives a site IPv6, without NAT: an exit node lets nobody into its own network, so a site is its own. */
async function addIpv6(web: Host, router: Host, host: Host): Promise<void> {
  await give(web, 'eth0', WEB.v6);
  await give(router, 'eth0', '2001:db8::23');
  await give(router, 'lan', '2001:db8:3::1');
  await give(host, 'eth0', EXIT.v6);
  await forward(router);
  await host.output(['ip', '-6', 'route', 'add', 'default', 'via', '2001:db8:3::1']);
  await web.output(['ip', '-6', 'route', 'add', '2001:db8:3::/64', 'via', '2001:db8::23']);
}

async function give(host: Host, card: string, address: string): Promise<void> {
  await host.output(['ip', '-6', 'addr', 'add', `${address}/64`, 'dev', card, 'nodad']);
}

async function forward(host: Host): Promise<void> {
  for (const file of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) {
    await host.output(['sh', '-c', `echo 1 > /proc/sys/net/${file}`]);
  }
}

/** The next thing that a transfer tells; rejects when it ends instead. */
function told(child: ChildProcess): Promise<Told> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Told));
    child.once('exit', (code) => reject(new Error(`transfer ended with ${code}`)));
  });
}
