/** What clients are told of routes, by the whole server in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EXIT_ROUTES } from '@malla/netmap/tailcfg-node';
import { parsePolicy } from '@malla/policy/document/parse';
import { deleteNode, setExpiry, setTags } from '../core/nodes.ts';
import { NO_TAG_POLICY } from '../core/tags.ts';
import { LAN, RoutedTailnet } from '../testing/routed-tailnet.ts';

const FAILOVER_MS = 5_000;

const OFFER = {
  Hostinfo: { Hostname: 'router-1', RoutableIPs: [LAN, '10.7.0.0/16', '192.168.0.0/16'] },
};

describe('clients', () => {
  test('send to one router for a prefix, from its approval on until that is withdrawn', async () => {
    const tailnet = await RoutedTailnet.start();
    assert.deepEqual(tailnet.routes, [[], []]);
    await tailnet.approve(LAN);
    assert.deepEqual(tailnet.routes, [[LAN], []]);
    await tailnet.pass(60_000);
    assert.deepEqual(tailnet.routes, [[LAN], []]);
    await tailnet.approve();
    assert.deepEqual(tailnet.routes, [[], []]);
  });

  test('may use every approved exit node', async () => {
    const tailnet = await RoutedTailnet.start([EXIT_ROUTES, EXIT_ROUTES]);
    await tailnet.approve('::/0');
    assert.deepEqual(tailnet.routes, [EXIT_ROUTES, EXIT_ROUTES]);
    await tailnet.leave(1);
    await tailnet.pass(60_000);
    assert.deepEqual(tailnet.routes, [EXIT_ROUTES, EXIT_ROUTES]);
  });

  test('hear of another router within 5 s when theirs falls silent, and of none when it recovers', async () => {
    const tailnet = await RoutedTailnet.start();
    await tailnet.approve(LAN);
    await tailnet.pass(10_000);
    tailnet.silence(1);
    await tailnet.pass(FAILOVER_MS);
    assert.deepEqual(tailnet.routes, [[], [LAN]]);
    await tailnet.reconnect(1, 1_000);
    await tailnet.pass(60_000);
    assert.deepEqual(tailnet.routes, [[], [LAN]]);
  });

  test('hear of it at once when its stream ends, and of nothing when it is back at once', async () => {
    const tailnet = await RoutedTailnet.start();
    await tailnet.approve(LAN);
    await tailnet.reconnect(1, 200);
    await tailnet.pass(60_000);
    assert.deepEqual(tailnet.routes, [[LAN], []]);
    await tailnet.leave(1);
    await tailnet.pass(700);
    assert.deepEqual(tailnet.routes, [[], [LAN]]);
    assert.equal(tailnet.viewer?.netmap.peers.get(1)?.['Online'], true, 'its grace is not over');
  });

  test('hear of it when their router logs out or is deleted', async () => {
    for (const end of [
      (tailnet: RoutedTailnet) =>
        tailnet.machines.tailnet.ledger.execute((state, context) =>
          setExpiry(state, 1, 'now', context),
        ),
      (tailnet: RoutedTailnet) =>
        tailnet.machines.tailnet.ledger.execute((state) => deleteNode(state, 1)),
    ]) {
      const tailnet = await RoutedTailnet.start();
      await tailnet.approve(LAN);
      await end(tailnet);
      await tailnet.pass(200);
      assert.deepEqual(tailnet.routes, [[], [LAN]]);
    }
  });

  test('keep their router over a restart of the server, as long as it comes back', async () => {
    const tailnet = await RoutedTailnet.start();
    await tailnet.approve(LAN);
    await tailnet.restart();
    assert.deepEqual(tailnet.routes, [[LAN], []]);
    await tailnet.pass(15_000);
    assert.deepEqual(tailnet.routes, [[], []]);
  });
});

describe('a policy', () => {
  test('approves what routers offer already, and what they offer later', async () => {
    const tailnet = await RoutedTailnet.start();
    const parsed = parsePolicy(`{
      "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
      "autoApprovers": {"routes": {"10.0.0.0/8": ["alice@"]}, "exitNode": ["alice@"]},
    }`);
    assert.ok(parsed.ok);
    await tailnet.machines.tailnet.setPolicy(parsed.value);
    await tailnet.pass(200);
    assert.deepEqual(tailnet.routes, [[LAN], []]);
    const device = tailnet.device(2);
    await device.report({
      Hostinfo: { RoutableIPs: ['10.9.0.0/16', '192.168.0.0/16', ...EXIT_ROUTES] },
    });
    await tailnet.pass(200);
    assert.deepEqual(tailnet.routes, [[LAN], ['10.9.0.0/16', ...EXIT_ROUTES]]);
    await tailnet.approve();
    assert.deepEqual(tailnet.routes, [[], []], 'an administrator may still withdraw them');
  });
});

describe('a router that gets another owner', () => {
  test('by logging in serves what the policy approves for that one, and nothing else', async () => {
    const tailnet = await tagged();
    assert.deepEqual(tailnet.routes, [[LAN, '10.7.0.0/16', '192.168.0.0/16']]);
    const device = tailnet.device(1);
    const AuthKey = await tailnet.machines.key(await tailnet.machines.user('bob'));
    device.rotate(8);
    await device.register({ ...OFFER, Auth: { AuthKey } });
    await device.openMap(OFFER);
    await tailnet.pass(200);
    assert.equal(device.node?.id, 1);
    assert.deepEqual(tailnet.routes, [['10.7.0.0/16']]);
  });

  test('by an administrator who tags it keeps what administrators approved', async () => {
    const tailnet = await tagged();
    const { ledger, access } = tailnet.machines.tailnet;
    await ledger.execute((state) =>
      setTags(state, 1, ['tag:other'], NO_TAG_POLICY, access.autoApproved),
    );
    await tailnet.pass(200);
    assert.deepEqual(tailnet.routes, [['192.168.0.0/16']]);
  });
});

/** A tailnet whose first router is tagged and serves what the policy approves for the tag and an administrator besides. */
async function tagged(): Promise<RoutedTailnet> {
  const tailnet = await RoutedTailnet.start([[LAN, '10.7.0.0/16', '192.168.0.0/16']]);
  const parsed = parsePolicy(`{
    "tagOwners": {"tag:router": ["alice@"]},
    "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
    "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"], "10.7.0.0/16": ["bob@"]}},
  }`);
  assert.ok(parsed.ok);
  await tailnet.machines.tailnet.setPolicy(parsed.value);
  const AuthKey = await tailnet.machines.key(1, { tags: ['tag:router'] });
  const device = tailnet.device(1);
  device.rotate(7);
  await device.register({ ...OFFER, Auth: { AuthKey } });
  await device.openMap(OFFER);
  await tailnet.pass(200);
  await tailnet.approveFor(1, LAN, '10.7.0.0/16', '192.168.0.0/16');
  return tailnet;
}
