/**
 * Official clients whose routers a policy approves by itself, and between which its `via` steers them.
 * Routers hide who asks behind their own address, which says which of them was used. Tests build on each
 * other, in order.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const WEB = '198.51.100.30';
const SITE = { lan: '10.1.0.0/24', outside: '198.51.100.21', printer: '10.1.0.9' };
const WHO_AM_I = fileURLToPath(new URL('who-am-i.ts', import.meta.url));
const TAKES_EFFECT_MS = 10_000;
/** Within which a router that has a new key is found again: some handshakes that fail, and one that does not. */
const RETURN_MS = 30_000;
/** Nodes are called like their tags. */
const NAMES = ['router-a', 'router-b', 'group-a', 'group-b'] as const;
const TAGS = NAMES.map((name) => `tag:${name}`);

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('routers under a policy', skip, (version) => {
  let lab: Lab;
  let server: ControlServer;
  const clients = new Map<string, OfficialClient>();

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const web = lab.publicHost('web', WEB);
    const natA = lab.nat('nat-a', SITE.outside, '10.1.0.1', 'easy');
    const printer = lab.hostBehind(natA, 'printer', SITE.printer);
    for (const host of [web, printer]) {
      host.start([process.execPath, WHO_AM_I], `${host.dir}/web.log`);
    }
    const { relay, client: options } = trustedRelay(ctl, version);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      dns: { base_domain: 'tailnet.example.org' },
      derp: { server: relay },
      policy: { mode: 'database' },
    });
    const hosts: Readonly<Record<(typeof NAMES)[number], Host>> = {
      'router-a': lab.hostBehind(natA, 'router-a', '10.1.0.2'),
      'router-b': lab.hostBehind(natA, 'router-b', '10.1.0.3'),
      'group-a': lab.publicHost('group-a', '198.51.100.41'),
      'group-b': lab.publicHost('group-b', '198.51.100.42'),
    };
    await Promise.all(
      NAMES.map(async (name) =>
        clients.set(name, await OfficialClient.start(hosts[name], options)),
      ),
    );
    await steer({ 'group-a': 'router-a', 'group-b': 'router-b' });
    const lan = `--advertise-routes=${SITE.lan}`;
    await Promise.all([
      joinAs('router-a', lan, '--advertise-exit-node'),
      joinAs('router-b', lan, '--advertise-exit-node'),
      joinAs('group-a', '--accept-routes'),
      joinAs('group-b', '--accept-routes'),
    ]);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, [...clients.values()]));

  test('are approved for what the policy names, and for nothing else', async () => {
    const listed = await server.say('nodes', 'list-routes', '-o', 'json');
    const nodes = JSON.parse(listed) as readonly Routes[];
    const approved = nodes.map((node) => [node.givenName, node.approvedRoutes]);
    assert.deepEqual(Object.fromEntries(approved), {
      'router-a': ['0.0.0.0/0', SITE.lan, '::/0'],
      'router-b': [SITE.lan],
    });
  });

  test('each serve the group that is steered to them, for one subnet', async () => {
    await untilSeen('group-a', SITE.printer, '10.1.0.2');
    await untilSeen('group-b', SITE.printer, '10.1.0.3');
    for (const [group, own, other] of [
      ['group-a', 'router-a', 'router-b'],
      ['group-b', 'router-b', 'router-a'],
    ] as const) {
      const status = await client(group).status();
      assert.deepEqual(peerNamed(status, own)?.PrimaryRoutes, [SITE.lan]);
      assert.equal(peerNamed(status, other)?.PrimaryRoutes ?? undefined, undefined);
    }
  });

  test('are exit nodes for those who may reach the internet', async () => {
    await until('group-a has its exit node', TAKES_EFFECT_MS, async () => {
      return (await client('group-a').cli('set', '--exit-node=router-a')).code === 0;
    });
    await untilSeen('group-a', WEB, SITE.outside);
    await client('group-a').cli('set', '--exit-node=');
    await untilSeen('group-a', WEB, '198.51.100.41');
    const refused = await client('group-b').cli('set', '--exit-node=router-a');
    assert.notEqual(refused.code, 0, 'no rule lets this group reach the internet');
  });

  test('change places when the policy does', async (t) => {
    await steer({ 'group-a': 'router-b', 'group-b': 'router-a' });
    const changed = performance.now();
    await Promise.all([
      untilSeen('group-a', SITE.printer, '10.1.0.3'),
      untilSeen('group-b', SITE.printer, '10.1.0.2'),
    ]);
    t.diagnostic(`after ${Math.round(performance.now() - changed)} ms`);
  });

  test('serve as before when they log out and in again', async () => {
    const earlier = await server.node('router-a');
    await client('router-a').cli('logout');
    await server.untilNodes('router-a to leave', TAKES_EFFECT_MS, (nodes) =>
      nodes.some((node) => node.id === earlier.id && !node.online),
    );
    await joinAs('router-a', `--advertise-routes=${SITE.lan}`, '--advertise-exit-node');
    const listed = await server.say('nodes', 'list-routes', '-i', earlier.id, '-o', 'json');
    const [node] = JSON.parse(listed) as readonly Routes[];
    assert.deepEqual(node?.approvedRoutes, ['0.0.0.0/0', SITE.lan, '::/0']);
    await client('group-b').untilPeer('router-a', (peer) => peer?.PrimaryRoutes?.[0] === SITE.lan);
    await untilSeen('group-b', SITE.printer, '10.1.0.2', RETURN_MS);
  });

  function client(name: string): OfficialClient {
    return clients.get(name) ?? assert.fail(`no client ${name}`);
  }

  async function joinAs(name: (typeof NAMES)[number], ...flags: readonly string[]): Promise<void> {
    if (name.startsWith('router')) await forward(client(name).host);
    const key = await server.say('preauthkeys', 'create', '--tags', `tag:${name}`);
    await client(name).join(LOGIN, key, ...flags);
  }

  /** Puts a policy in force that sends each group to the site by one router. */
  async function steer(routerOf: Readonly<Record<string, string>>): Promise<void> {
    const policy = {
      tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, []])),
      grants: [
        { src: TAGS, dst: TAGS, ip: ['*'] },
        { src: ['tag:group-a'], dst: ['autogroup:internet'], ip: ['*'] },
        ...Object.entries(routerOf).map(([group, router]) => ({
          src: [`tag:${group}`],
          dst: [SITE.lan],
          ip: ['*'],
          via: [`tag:${router}`],
        })),
      ],
      autoApprovers: {
        routes: { '10.1.0.0/16': ['tag:router-a', 'tag:router-b'] },
        exitNode: ['tag:router-a'],
      },
    };
    const file = join(server.host.dir, 'policy.hujson');
    writeFileSync(file, JSON.stringify(policy));
    await server.say('policy', 'set', '-f', file);
  }

  /** Until a web server that answers with its visitor's address sees this one. */
  function untilSeen(
    from: string,
    address: string,
    as: string,
    deadlineMs: number = TAKES_EFFECT_MS,
  ): Promise<unknown> {
    return until(`${address} sees ${from} as ${as}`, deadlineMs, async () => {
      const { stdout } = await client(from).host.run([process.execPath, WHO_AM_I, address]);
      return stdout.trim() === as;
    });
  }
});

/** What `malla nodes list-routes` says of a router, as far as we read it. */
interface Routes {
  readonly givenName: string;
  readonly approvedRoutes: readonly string[];
}

async function forward(host: Host): Promise<void> {
  for (const file of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) {
    await host.output(['sh', '-c', `echo 1 > /proc/sys/net/${file}`]);
  }
}
