/**
 * Grants with `via`, which steer sources to routers of their own: headscale's scenario
 * GrantViaSubnetSteering and its server tests GrantVia*, ViaGrantMapCompat and ViaGrantHACompat, each under
 * its name. The last two compare the maps with those that the hosted service sent (../shared/golden).
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { type GoldenCase, goldenCases, goldenText } from '@malla/policy/testing/golden';
import { EXIT_ROUTES, PolicyTailnet } from './policy-tailnet.ts';

const LAN = '10.0.0.0/24';
const IN_LAN = '10.0.0.9';
const WEB = '198.51.100.7';
const TAGS = ['tag:router-a', 'tag:router-b', 'tag:group-a', 'tag:group-b'];
/** Everybody sees everybody, and no rule names what is behind routers. */
const EACH_OTHER = { src: TAGS, dst: TAGS, ip: ['*'] };

/** A rule that steers sources to what is behind routers. */
function via(source: string, destination: string, ...routers: readonly string[]): object {
  return { src: [source], dst: [destination], ip: ['*'], via: routers };
}

/** Two routers and two clients, each tagged with its own name; routers offer, and the policy approves. */
async function start(
  t: TestContext,
  grants: readonly object[],
  offers: Readonly<Record<string, readonly string[]>>,
): Promise<PolicyTailnet> {
  const tailnet = await PolicyTailnet.start(t, policyWith(grants), { users: [] });
  for (const tag of TAGS) {
    const name = tag.slice('tag:'.length);
    await tailnet.join(name, { tags: [tag] }, offers[name]);
  }
  await tailnet.settle();
  return tailnet;
}

function policyWith(grants: readonly object[]): object {
  const routers = ['tag:router-a', 'tag:router-b'];
  return {
    tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, []])),
    grants: [EACH_OTHER, ...grants],
    autoApprovers: { routes: { '10.0.0.0/8': routers }, exitNode: routers },
  };
}

test('two groups reach one subnet through a router each (GrantViaSubnetSteering, grant_via_subnet_steering)', async (t) => {
  const crossed = [
    via('tag:group-a', LAN, 'tag:router-a'),
    via('tag:group-b', LAN, 'tag:router-b'),
  ];
  const tailnet = await start(t, crossed, { 'router-a': [LAN], 'router-b': [LAN] });
  for (const router of ['router-a', 'router-b']) {
    assert.deepEqual((await tailnet.routesOf(router)).approved, [LAN]);
  }
  const seen = (group: string) => [tailnet.routes(group), tailnet.peers()[group]];
  assert.deepEqual(seen('group-a'), [{ 'router-a': [LAN] }, ['router-a', 'router-b', 'group-b']]);
  assert.deepEqual(seen('group-b'), [{ 'router-b': [LAN] }, ['router-a', 'router-b', 'group-a']]);
  for (const letter of ['a', 'b']) {
    assert.ok(tailnet.reachesBehind(`group-${letter}`, `router-${letter}`, IN_LAN));
  }
  await t.test('and change places when the policy does', async () => {
    const other = [via('tag:group-a', LAN, 'tag:router-b')];
    await tailnet.setPolicy(policyWith(other));
    assert.deepEqual(tailnet.routes('group-a'), { 'router-b': [LAN] });
    assert.deepEqual(tailnet.routes('group-b'), {});
    assert.ok(tailnet.reachesBehind('group-a', 'router-b', IN_LAN));
  });
  await t.test('and go with their router, as nobody else is named', async () => {
    await tailnet.deleteNode('router-b');
    assert.deepEqual(tailnet.routes('group-a'), {});
  });
});

test('a router admits what is steered to it (GrantViaSubnetFilterRules)', async (t) => {
  const tailnet = await start(t, [via('tag:group-a', LAN, 'tag:router-a')], { 'router-a': [LAN] });
  assert.deepEqual(tailnet.routes('group-a'), { 'router-a': [LAN] });
  assert.ok(tailnet.admittedTo('router-a').includes(LAN));
  assert.ok(!tailnet.admittedTo('router-b').includes(LAN));
  assert.ok(tailnet.reachesBehind('group-a', 'router-a', IN_LAN));
  assert.ok(!tailnet.reachesBehind('group-b', 'router-a', IN_LAN));
});

test('a destination may be wider than what the router carries (GrantViaSubnetBroaderDstFilterRules)', async (t) => {
  const part = '10.33.0.0/16';
  const wide = [via('tag:group-a', '10.0.0.0/8', 'tag:router-a')];
  const tailnet = await start(t, wide, { 'router-a': [part] });
  assert.deepEqual(tailnet.routes('group-a'), { 'router-a': [part] });
  assert.ok(
    tailnet.admittedTo('router-a').includes('10.0.0.0/8'),
    'as the hosted service writes it',
  );
  assert.ok(tailnet.reachesBehind('group-a', 'router-a', '10.33.7.9'));
  assert.ok(!tailnet.reachesBehind('group-a', 'router-a', '10.34.0.9'));
});

test('an exit node admits the internet, and no network that is not (GrantViaExitNodeNoFilterRules)', async (t) => {
  const steered = [via('tag:group-a', 'autogroup:internet', 'tag:router-a')];
  const tailnet = await start(t, steered, { 'router-a': EXIT_ROUTES });
  const admitted = tailnet.admittedTo('router-a');
  assert.deepEqual(
    EXIT_ROUTES.filter((exit) => admitted.includes(exit)),
    [],
  );
  assert.ok(tailnet.reachesBehind('group-a', 'router-a', WEB));
  assert.ok(!tailnet.reachesBehind('group-a', 'router-a', '192.168.1.1'));
});

test('who is steered to an exit node is offered that one alone (GrantViaExitNodeInternetVisibility)', async (t) => {
  const steered = [via('tag:group-a', 'autogroup:internet', 'tag:router-a')];
  const offers = { 'router-a': EXIT_ROUTES, 'router-b': EXIT_ROUTES };
  const tailnet = await start(t, steered, offers);
  assert.deepEqual(tailnet.routes('group-a'), { 'router-a': EXIT_ROUTES });
  assert.deepEqual(tailnet.routes('group-b'), {});
});

/** Those that headscale compares whole maps with, as far as they were recorded. */
const COMPARED: Readonly<Record<string, readonly string[]>> = {
  ViaGrantMapCompat: ['v29', 'v30', 'v31', 'v33', 'v35', 'v36'],
  ViaGrantHACompat: ['v37', 'v38', 'v39', 'v40', 'v41', 'v42', 'v43', 'v44', 'v45', 'v46'],
};
const recorded = goldenCases('grant');

for (const [scenario, numbers] of Object.entries(COMPARED)) {
  const skip = recorded === undefined && 'needs ../shared/golden';
  describe(
    `what each node is told of routes is what the hosted service told it (${scenario})`,
    { skip },
    () => {
      const ids = numbers.map((number) => `via-grant-${number}`);
      for (const golden of recorded?.filter(({ id }) => ids.includes(id)) ?? []) {
        test(golden.id, (t) => compare(t, golden));
      }
    },
  );
}

/** What a node was sent. */
interface Sent {
  readonly peers: Readonly<Record<string, Told>> | null;
  readonly primaryRoutes: readonly string[] | null;
}

interface Told {
  readonly allowedIPs: readonly string[];
  readonly primaryRoutes?: readonly string[];
}

/** Builds the tailnet of a recording, but for its addresses, and compares peers and their routes. */
async function compare(t: TestContext, golden: GoldenCase): Promise<void> {
  assert.equal(golden.status, 200);
  const sent = golden.nodes as unknown as Readonly<Record<string, Sent>>;
  const tailnet = await PolicyTailnet.start(t, undefined, { users: [] });
  for (const { name, email } of golden.topology.users) {
    await tailnet.malla.say(`users create ${name} --email ${email}`);
  }
  await tailnet.setPolicyText(goldenText(golden));
  // Whoever is there first is primary.
  const isPrimary = ([name]: readonly [string, unknown]) =>
    (sent[name]?.primaryRoutes ?? []).length > 0;
  const nodes = Object.entries(golden.topology.nodes);
  for (const [name, node] of [
    ...nodes.filter(isPrimary),
    ...nodes.filter((each) => !isPrimary(each)),
  ]) {
    const owner = node.user === undefined ? {} : { user: node.user };
    await tailnet.join(name, { ...owner, tags: node.tags }, node.routable_ips ?? []);
    await tailnet.approve(name, ...(node.approved_routes ?? []));
  }
  for (const [viewer, { peers }] of Object.entries(sent)) {
    const told = Object.entries(peers ?? {}).map(([name, peer]) => {
      const { ipv4 = '', ipv6 = '' } = golden.topology.nodes[name] ?? {};
      const own = [`${ipv4}/32`, `${ipv6}/128`];
      const routes = peer.allowedIPs.filter((prefix) => !own.includes(prefix));
      const subnets = routes.filter((route) => !EXIT_ROUTES.includes(route));
      assert.deepEqual(peer.primaryRoutes?.toSorted() ?? [], subnets.toSorted());
      return [name, routes.toSorted()] as const;
    });
    const ours = (tailnet.peers()[viewer] ?? []).map(
      (name) => [name, tailnet.routesVia(viewer, name).toSorted()] as const,
    );
    assert.deepEqual(Object.fromEntries(ours), Object.fromEntries(told), viewer);
  }
}
