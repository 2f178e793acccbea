/**
 * Routes that devices offer, administrators and policies approve, and others use: headscale's integration
 * scenarios `route` and its server tests of routes, each under its name, as far as nobody falls silent.
 * Failover takes time and is in ../../../apps/control/src/routing/failover.test.ts; `via` is in
 * ./via.test.ts. Real routers carry real traffic in ../../interop/routes.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accept, EXIT_ROUTES, PolicyTailnet } from './policy-tailnet.ts';

const LAN = '10.33.0.0/16';
const IN_LAN = '10.33.0.9';
const WEB = '198.51.100.7';
const EVERYTHING = { acls: [accept(['*'], ['*:*'])] };

/** What an administrator sees of a node whose offer is approved, and in use. */
function inUse(...routes: readonly string[]): object {
  return { offered: routes, approved: routes, served: routes };
}

test('routes are used from their approval on until it is withdrawn (EnablingRoutes)', async (t) => {
  const tailnet = await PolicyTailnet.start(t, EVERYTHING, { users: ['user1'], each: 3 });
  const routers = ['user1-1', 'user1-2', 'user1-3'] as const;
  const routeOf = { 'user1-1': '10.0.0.0/24', 'user1-2': '10.0.1.0/24', 'user1-3': '10.0.2.0/24' };
  for (const router of routers) {
    await tailnet.offer(router, routeOf[router]);
    const offered = { offered: [routeOf[router]], approved: [], served: [] };
    assert.deepEqual(await tailnet.routesOf(router), offered);
  }
  for (const router of routers) assert.deepEqual(tailnet.routes(router), {});
  for (const router of routers) {
    await tailnet.approve(router, routeOf[router]);
    assert.deepEqual(await tailnet.routesOf(router), inUse(routeOf[router]));
  }
  for (const viewer of routers) {
    const others = routers.filter((router) => router !== viewer);
    const expected = Object.fromEntries(others.map((router) => [router, [routeOf[router]]]));
    assert.deepEqual(tailnet.routes(viewer), expected);
  }
  // One is approved for what another offers, which makes it serve nothing.
  await tailnet.approve('user1-1', '10.0.1.0/24');
  await tailnet.approve('user1-2');
  assert.deepEqual(await tailnet.routesOf('user1-1'), {
    offered: ['10.0.0.0/24'],
    approved: ['10.0.1.0/24'],
    served: [],
  });
  const withdrawn = { offered: ['10.0.1.0/24'], approved: [], served: [] };
  assert.deepEqual(await tailnet.routesOf('user1-2'), withdrawn);
  for (const viewer of ['user1-1', 'user1-2']) {
    assert.deepEqual(tailnet.routes(viewer), { 'user1-3': ['10.0.2.0/24'] });
  }
  assert.deepEqual(tailnet.routes('user1-3'), {});
});

test('a subnet is reached by whom a rule lets in, and its router admits them (SubnetRouteACL)', async (t) => {
  const policy = {
    groups: { 'group:admins': ['user4@'] },
    acls: [accept(['group:admins'], ['group:admins:*']), accept(['group:admins'], [`${LAN}:*`])],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { users: ['user4'], each: 2 });
  await tailnet.malla.say('users create other');
  await tailnet.join('other', { user: 'other' });
  await tailnet.offer('user4-1', LAN);
  assert.deepEqual(tailnet.routes('user4-2'), {});
  await tailnet.approve('user4-1', LAN);
  assert.deepEqual(await tailnet.routesOf('user4-1'), inUse(LAN));
  assert.deepEqual(tailnet.routes('user4-2'), { 'user4-1': [LAN] });
  assert.ok(tailnet.reachesBehind('user4-2', 'user4-1', IN_LAN));
  const own = [4, 6].map((family) => tailnet.addressOf('user4-1', family === 4 ? 4 : 6));
  assert.deepEqual(tailnet.admittedTo('user4-1'), [...own, LAN]);
  assert.deepEqual(tailnet.admittedTo('user4-2'), ['*'], 'not told of what it does not carry');
  assert.deepEqual(tailnet.admittedTo('other'), []);
  assert.deepEqual(tailnet.peers()['other'], []);
});

test('an exit node is one for both families, however it is approved (EnablingExitRoutes)', async (t) => {
  const tailnet = await PolicyTailnet.start(t, EVERYTHING, { users: ['user2'], each: 2 });
  for (const node of ['user2-1', 'user2-2']) await tailnet.offer(node, ...EXIT_ROUTES);
  assert.deepEqual([tailnet.routes('user2-1'), tailnet.routes('user2-2')], [{}, {}]);
  await tailnet.approve('user2-1', '0.0.0.0/0');
  await tailnet.approve('user2-2', '::/0');
  for (const [viewer, exit] of [
    ['user2-1', 'user2-2'],
    ['user2-2', 'user2-1'],
  ] as const) {
    assert.deepEqual(await tailnet.routesOf(exit), inUse(...EXIT_ROUTES));
    assert.deepEqual(tailnet.routes(viewer), { [exit]: EXIT_ROUTES });
  }
});

test('whoever may reach the internet sees exit nodes, and nothing else (ExitRoutesWithAutogroupInternetACL)', async (t) => {
  const policy = { acls: [accept(['user2@'], ['autogroup:internet:*'])] };
  const tailnet = await PolicyTailnet.start(t, policy, { users: ['user2', 'other'] });
  for (const exit of ['user2', 'other']) await tailnet.offer(exit, ...EXIT_ROUTES);
  assert.deepEqual(tailnet.peers(), { user2: [], other: [] });
  for (const exit of ['user2', 'other']) await tailnet.approve(exit, ...EXIT_ROUTES);
  assert.deepEqual(tailnet.routes('user2'), { other: EXIT_ROUTES });
  assert.deepEqual(tailnet.routes('other'), {}, 'no rule lets this user reach the internet');
  assert.ok(tailnet.reachesBehind('user2', 'other', WEB));
  assert.deepEqual(tailnet.reached(80), { user2: [], other: [] }, 'not the exit node itself');
});

test('a router of one user carries for another, without a policy too (SubnetRouterMultiNetwork)', async (t) => {
  const yaml = 'policy.default: allow-all';
  const tailnet = await PolicyTailnet.start(t, undefined, { yaml });
  await tailnet.offer('user1', LAN);
  assert.deepEqual(tailnet.routes('user2'), {});
  assert.ok(!tailnet.reachesBehind('user2', 'user1', IN_LAN));
  await tailnet.approve('user1', LAN);
  assert.deepEqual(tailnet.routes('user2'), { user1: [LAN] });
  assert.ok(tailnet.reachesBehind('user2', 'user1', IN_LAN));
});

test('a device is an exit node and a subnet router at once (SubnetRouterMultiNetworkExitNode)', async (t) => {
  const tailnet = await PolicyTailnet.start(t, EVERYTHING);
  await tailnet.offer('user1', ...EXIT_ROUTES, LAN);
  assert.deepEqual(tailnet.routes('user2'), {});
  await tailnet.approve('user1', ...EXIT_ROUTES, LAN);
  assert.deepEqual(tailnet.routes('user2'), { user1: [LAN, ...EXIT_ROUTES] });
  for (const address of [IN_LAN, WEB, '2001:db8::7']) {
    assert.ok(tailnet.reachesBehind('user2', 'user1', address), address);
  }
});

test('a router that logs out and in again serves as before, without an approval (AuthKeyLogoutAndReloginRoutesPreserved)', async (t) => {
  const lan = '10.55.0.0/24';
  const policy = { ...EVERYTHING, autoApprovers: { routes: { [lan]: ['user1@'] } } };
  const tailnet = await PolicyTailnet.start(t, policy, { users: ['user2'] });
  await tailnet.malla.say('users create user1');
  const key = await tailnet.key({ user: 'user1', reusable: true });
  const router = await tailnet.device('router');
  router.hostinfo = { RoutableIPs: [lan] };
  await router.register({ authKey: key });
  await tailnet.open(router);
  await tailnet.settle();
  const id = tailnet.idOf('router');
  assert.deepEqual(await tailnet.routesOf('router'), inUse(lan));
  await router.register({ expiry: '1970-01-01T00:02:03Z' });
  await tailnet.client('user2').until(({ peers }) => peers.get(id)?.['Expired'] === true);
  router.rotateNodeKey();
  await router.register({ authKey: key });
  await tailnet.open(router);
  await tailnet.settle();
  assert.equal(tailnet.idOf('router'), id);
  assert.deepEqual(await tailnet.routesOf('router'), inUse(lan));
  assert.deepEqual(tailnet.routes('user2'), { router: [lan] });
  assert.ok(tailnet.reachesBehind('user2', 'router', '10.55.0.9'));
});

test('of two subnets of a router a node sees the one that it may reach (SubnetRouteACLFiltering)', async (t) => {
  const policy = {
    hosts: { router: '100.64.0.1/32', node: '100.64.0.2/32' },
    acls: [accept(['*'], ['router:8000']), accept(['node'], [`${LAN}:*`])],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { users: ['router', 'node', 'other'] });
  await tailnet.offer('router', LAN, '10.44.0.0/16');
  await tailnet.approve('router', LAN, '10.44.0.0/16');
  assert.deepEqual(await tailnet.routesOf('router'), inUse(LAN, '10.44.0.0/16'));
  assert.deepEqual(tailnet.routes('node'), { router: [LAN] });
  assert.ok(tailnet.reachesBehind('node', 'router', IN_LAN));
  assert.deepEqual(tailnet.routes('other'), {});
  assert.ok(tailnet.reaches('other', 'router', 8000), 'the router itself is reached by all');
});

describe('a policy approves routes of (AutoApproveMultiNetwork)', () => {
  for (const [approver, groups] of [
    ['tag:approve', {}],
    ['user1@', {}],
    ['group:approve', { 'group:approve': ['user1@'] }],
  ] as const) {
    for (const isWeb of [false, true]) {
      for (const atOnce of [false, true]) {
        const how = isWeb ? 'who logged in' : 'with a key';
        const when = atOnce ? 'that offers as it joins' : 'that offers later';
        test(`${approver} ${how} ${when}, and nothing else`, async (t) => {
          const tags = approver.startsWith('tag:') ? [approver] : [];
          const policyOf = (...prefixes: readonly string[]): object => ({
            ...EVERYTHING,
            groups,
            tagOwners: Object.fromEntries(tags.map((tag) => [tag, ['user1@']])),
            autoApprovers: {
              routes: Object.fromEntries(prefixes.map((prefix) => [prefix, [approver]])),
              exitNode: [approver],
            },
          });
          const both = policyOf(LAN, '10.42.0.0/16');
          const tailnet = await PolicyTailnet.start(t, both, { users: ['user2'] });
          await tailnet.malla.say('users create user1');
          await joinAs(tailnet, 'router', tags, isWeb, atOnce ? [LAN] : []);
          await tailnet.settle();
          if (!atOnce) await tailnet.offer('router', LAN);
          assert.deepEqual(await tailnet.routesOf('router'), inUse(LAN));
          assert.ok(tailnet.reachesBehind('user2', 'router', IN_LAN));

          await tailnet.setPolicy(policyOf('10.42.0.0/16'));
          assert.deepEqual(tailnet.routes('user2'), { router: [LAN] }, 'approved is approved');
          await tailnet.approve('router');
          assert.deepEqual(tailnet.routes('user2'), {});
          await tailnet.setPolicy(both);
          assert.deepEqual(tailnet.routes('user2'), { router: [LAN] });

          // A part of an approved prefix, a prefix that nobody approves, and an exit node.
          await tailnet.offer('router', LAN, '10.42.7.0/24');
          assert.deepEqual(tailnet.routes('user2'), { router: [LAN, '10.42.7.0/24'] });
          await tailnet.offer('router', LAN, '192.168.0.0/24');
          assert.deepEqual(tailnet.routes('user2'), { router: [LAN] });
          await tailnet.offer('router', LAN, ...EXIT_ROUTES);
          assert.deepEqual(tailnet.routes('user2'), { router: [LAN, ...EXIT_ROUTES] });
          await tailnet.offer('user2', LAN, ...EXIT_ROUTES);
          assert.deepEqual((await tailnet.routesOf('user2')).approved, [], 'of nobody else');
        });
      }
    }
  }
});

describe('what a peer carries (servertest TestRoutes)', () => {
  test('begins with its own addresses, of the tailnet’s ranges (node_addresses_in_allowed_ips, allowed_ips_superset_of_addresses, addresses_are_in_cgnat_range)', async (t) => {
    const tailnet = await PolicyTailnet.start(t, EVERYTHING, { users: ['user1'], each: 3 });
    for (const name of ['user1-1', 'user1-2', 'user1-3']) {
      const { self, peers } = tailnet.client(name).netmap;
      assert.ok(self !== undefined);
      assert.equal(peers.size, 2);
      for (const { Addresses, AllowedIPs } of peers.values()) {
        assert.deepEqual(AllowedIPs, Addresses);
      }
      const [v4 = '', v6 = ''] = self['Addresses'];
      assert.match(v4, /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+\/32$/);
      assert.match(v6, /^fd7a:115c:a1e0:.*\/128$/);
    }
  });

  test('is told when it is approved; what it only offers is the administrator’s to see (advertised_routes_in_hostinfo, route_advertise_and_approve)', async (t) => {
    const tailnet = await PolicyTailnet.start(t, EVERYTHING);
    const seen = () => JSON.stringify(tailnet.client('user2').netmap.peers.get(1));
    await tailnet.offer('user1', '10.0.0.0/24');
    assert.deepEqual((await tailnet.routesOf('user1')).offered, ['10.0.0.0/24']);
    assert.ok(!seen().includes('10.0.0.0'), 'headscale tells peers as well; no client looks at it');
    await tailnet.approve('user1', '10.0.0.0/24');
    assert.deepEqual(tailnet.routes('user2'), { user1: ['10.0.0.0/24'] });
  });
});

/** A device of user1 that joins with a key or by a login, with tags or without. */
async function joinAs(
  tailnet: PolicyTailnet,
  hostname: string,
  tags: readonly string[],
  isWeb: boolean,
  routes: readonly string[],
): Promise<void> {
  if (!isWeb) {
    await tailnet.join(hostname, { user: 'user1', tags }, routes);
    return;
  }
  const device = await tailnet.device(hostname, tags);
  device.hostinfo = { ...device.hostinfo, RoutableIPs: routes };
  const url = String((await device.register())['AuthURL']);
  const [authId = ''] = /hskey-authreq-[0-9a-f]{24}$/.exec(url) ?? [];
  await tailnet.malla.say(`auth register --user user1 --auth-id ${authId}`);
  assert.equal((await device.register())['MachineAuthorized'], true);
  await tailnet.open(device);
}
