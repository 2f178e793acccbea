/**
 * Routers that come and go, as who uses them sees it: headscale's integration scenarios HASubnetRouter* and
 * its server tests of them, each under its name, by the whole server in virtual time. ./routes.test.ts
 * has the others, and any history.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LAN, RoutedTailnet } from '../testing/routed-tailnet.ts';

/** Within which a silent router is replaced, as promised. */
const FAILOVER_MS = 5_000;
/** And one whose stream has ended. */
const GOODBYE_MS = 700;
/** In which a router counts as offline that does not come back. */
const OFFLINE_MS = 15_000;
/** In which every router is asked often enough. */
const MINUTE_MS = 60_000;

describe('a subnet', () => {
  test('of three routers is served by one of them, whatever happens to the others (HASubnetRouterFailover)', async () => {
    const tailnet = await RoutedTailnet.start([[LAN], [LAN], [LAN]]);
    assert.deepEqual(tailnet.serving, []);
    for (const [happens, serving] of [
      [() => tailnet.approveFor(1, LAN), 1],
      [() => tailnet.approveFor(2, LAN), 1],
      [() => tailnet.approveFor(3, LAN), 1],
      [() => tailnet.leave(1), 2],
      [() => tailnet.leave(2), 3],
      [() => tailnet.enter(1), 3],
      [() => tailnet.enter(2), 3],
      [() => tailnet.approveFor(3), 1],
      [() => tailnet.approveFor(1), 2],
      [() => tailnet.approveFor(1, LAN), 2],
      [() => tailnet.approveFor(3, LAN), 2],
    ] as const) {
      await happens();
      await tailnet.pass(GOODBYE_MS);
      assert.deepEqual(tailnet.serving, [serving]);
      await tailnet.pass(OFFLINE_MS);
      assert.deepEqual(tailnet.serving, [serving], 'nothing flaps later');
    }
  });

  test('moves from a router that is connected and does not answer, and stays where it went (HASubnetRouterPingFailover, HAHealthProbe_UnhealthyFailover, HAHealthProbe_RecoveryNoFlap)', async () => {
    const tailnet = await sharedByTwo();
    tailnet.silence(1);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.serving, [2]);
    assert.equal(tailnet.viewer?.netmap.peers.get(1)?.['Online'], true);
    tailnet.recover(1);
    await tailnet.pass(MINUTE_MS);
    assert.deepEqual(tailnet.serving, [2]);
    // It is healthy again: it can take over.
    tailnet.silence(2);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.serving, [1]);
  });

  test('of nobody goes to the first who comes back (HASubnetRouterFailoverBothOffline, ha_secondary_recovers_after_all_offline)', async () => {
    const tailnet = await sharedByTwo();
    await tailnet.leave(1);
    await tailnet.pass(OFFLINE_MS);
    assert.deepEqual(tailnet.serving, [2]);
    await tailnet.leave(2);
    await tailnet.pass(OFFLINE_MS);
    assert.deepEqual(tailnet.serving, []);
    await tailnet.enter(2);
    assert.deepEqual(tailnet.serving, [2]);
    assert.equal(tailnet.viewer?.netmap.peers.get(2)?.['Online'], true);
  });

  test('goes to the first who answers when both had lost their network (HASubnetRouterFailoverBothOfflineCablePull)', async () => {
    const tailnet = await sharedByTwo();
    tailnet.silence(1);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.serving, [2]);
    tailnet.silence(2);
    await tailnet.pass(MINUTE_MS);
    await tailnet.enter(2);
    await tailnet.pass(MINUTE_MS);
    assert.deepEqual(tailnet.serving, [2]);
  });

  test('never goes to a router that is away, one after the other or both at once (HASubnetRouterFailoverDockerDisconnect)', async () => {
    const tailnet = await sharedByTwo();
    await failsAndReturns(tailnet, 1, 2);
    await failsAndReturns(tailnet, 2, 1);
    // One after the other.
    tailnet.silence(1);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.serving, [2]);
    tailnet.silence(2);
    await staysWith(tailnet, 2);
    await tailnet.enter(2);
    await staysWith(tailnet, 2);
    await tailnet.enter(1);
    await staysWith(tailnet, 2);
    // Both at once.
    tailnet.silence(1, 2);
    await staysWith(tailnet, 2);
    await Promise.all([tailnet.enter(1), tailnet.enter(2)]);
    await staysWith(tailnet, 2);
  });

  test('moves when the one who serves it no longer may (HAFailover_ViewerSeesRouteRevoke)', async () => {
    const tailnet = await sharedByTwo();
    await tailnet.approveFor(1);
    assert.deepEqual(tailnet.serving, [2]);
    await tailnet.approveFor(1, LAN);
    await staysWith(tailnet, 2);
  });

  test('moves in the map of who uses it, in one message (HAFailover_ViewerSeesPrimaryFlip)', async () => {
    const tailnet = await sharedByTwo();
    assert.ok(tailnet.viewer !== undefined);
    const before = tailnet.viewer.messages.length;
    tailnet.silence(1);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.serving, [2]);
    const moved = tailnet.viewer.messages.slice(before).map((message) => message['PeersChanged']);
    assert.deepEqual(
      moved.map((peers) => (peers as unknown[]).length),
      [2],
    );
  });
});

describe('a router', () => {
  test('that answers keeps its subnet, and is asked all the time (HAHealthProbe_HealthyNodes)', async () => {
    const tailnet = await sharedByTwo();
    tailnet.asked.length = 0;
    await staysWith(tailnet, 1);
    for (const router of [1, 2]) {
      const times = tailnet.asked.filter((asked) => asked === router).length;
      assert.ok(times >= 25, `router ${router} was asked ${times} times`);
    }
  });

  test('whom nobody could replace is never asked (HAHealthProbe_NoHARoutes)', async () => {
    const tailnet = await RoutedTailnet.start([['10.90.0.0/24'], ['10.91.0.0/24']]);
    await tailnet.approveFor(1, '10.90.0.0/24');
    await tailnet.approveFor(2, '10.91.0.0/24');
    await tailnet.pass(MINUTE_MS);
    assert.deepEqual(tailnet.asked, []);
    assert.deepEqual(tailnet.routes, [['10.90.0.0/24'], ['10.91.0.0/24']]);
  });

  for (const [scenario, what, mends] of [
    ['HAHealthProbe_ConnectClearsUnhealthy', 'connects anew', (it: RoutedTailnet) => it.enter(1)],
    [
      'HAHealthProbe_DisconnectClearsUnhealthy',
      'was offline meanwhile',
      async (it: RoutedTailnet) => {
        await it.leave(1);
        await it.pass(OFFLINE_MS);
        await it.enter(1);
      },
    ],
    [
      'HAHealthProbe_SetApprovedRoutesEmptyClearsUnhealthy',
      'answers, and served nothing meanwhile,',
      async (it: RoutedTailnet) => {
        await it.approveFor(1);
        it.recover(1);
        await it.approveFor(1, LAN);
        await it.pass(FAILOVER_MS);
      },
    ],
  ] as const) {
    test(`that did not answer and ${what} may serve again (${scenario})`, async () => {
      const tailnet = await sharedByTwo();
      tailnet.silence(1);
      await tailnet.pass(FAILOVER_MS);
      assert.deepEqual(tailnet.serving, [2]);
      await mends(tailnet);
      assert.deepEqual(tailnet.serving, [2]);
      await tailnet.leave(2);
      await tailnet.pass(GOODBYE_MS);
      assert.deepEqual(tailnet.serving, [1]);
    });
  }

  test('that serves nothing is not judged by the probe under way (HAHealthProbe_SetUnhealthyNoRoutesIsNoOp)', async () => {
    const tailnet = await sharedByTwo();
    await underWay(tailnet);
    await tailnet.approveFor(1);
    await tailnet.pass(FAILOVER_MS);
    await tailnet.approveFor(1, LAN);
    await tailnet.leave(2);
    await tailnet.pass(GOODBYE_MS);
    assert.deepEqual(tailnet.serving, [1]);
  });

  test('that reconnects is not judged by what its old stream was asked (HAHealthProbe_ReconnectDuringProbeKeepsHealthy)', async () => {
    const tailnet = await sharedByTwo();
    await underWay(tailnet);
    await tailnet.enter(1);
    await staysWith(tailnet, 1);
  });
});

/** Two routers for one subnet, of whom the first serves it. */
async function sharedByTwo(): Promise<RoutedTailnet> {
  const tailnet = await RoutedTailnet.start();
  await tailnet.approve(LAN);
  await tailnet.pass(10_000);
  assert.deepEqual(tailnet.serving, [1]);
  return tailnet;
}

/** A router loses its network while the other one has its own, which takes over for good. */
async function failsAndReturns(tailnet: RoutedTailnet, one: number, other: number): Promise<void> {
  assert.deepEqual(tailnet.serving, [one]);
  tailnet.silence(one);
  await tailnet.pass(FAILOVER_MS);
  assert.deepEqual(tailnet.serving, [other]);
  await tailnet.enter(one);
  await staysWith(tailnet, other);
}

/** Nothing moves, at no time. */
async function staysWith(tailnet: RoutedTailnet, router: number): Promise<void> {
  for (let passed = 0; passed < MINUTE_MS; passed += 500) {
    await tailnet.pass(500);
    assert.deepEqual(tailnet.serving, [router]);
  }
}

/** The first router is silent from now on, and was asked just now. */
async function underWay(tailnet: RoutedTailnet): Promise<void> {
  tailnet.silence(1);
  tailnet.asked.length = 0;
  while (!tailnet.asked.includes(1)) await tailnet.pass(100);
}
