import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deleteNode } from '../core/nodes.ts';
import { type TestDevice, TestMachines } from '../testing/machine.ts';
import { settle } from '../testing/virtual-time.ts';

interface Squatted {
  readonly machines: TestMachines;
  readonly device: TestDevice;
  readonly squatter: TestDevice;
  readonly key: string;
  /** Has the squatter take the key that the device has now. */
  readonly squat: () => Promise<unknown>;
}

/** A device without a node, and a stranger with an account of their own who knows its node key. */
async function squatted(): Promise<Squatted> {
  const machines = await TestMachines.start();
  const key = await machines.key(await machines.user('alice'));
  const AuthKey = await machines.key(await machines.user('mallory'));
  const [device, squatter] = [machines.device(1), machines.device(2)];
  const squat = (): Promise<unknown> => {
    squatter.nodeKey = device.nodeKey;
    return squatter.register({ Auth: { AuthKey } });
  };
  return { machines, device, squatter, key, squat };
}

function idOf(authUrl: unknown): string {
  return String(authUrl).replace(/^.*\//, '');
}

describe('a device whose node key another machine has taken', () => {
  test('hears that it needs another, and is in with that: by a key as by a person', async () => {
    const { machines, device, squatter, key, squat } = await squatted();
    await device.register({ Auth: { AuthKey: key } });
    await machines.tailnet.ledger.execute((state) => deleteNode(state, 1));
    await squat();
    for (const fields of [{}, { Auth: { AuthKey: key } }]) {
      const answer = await device.register(fields);
      assert.deepEqual([answer['NodeKeyExpired'], answer['Error']], [true, '']);
      assert.ok(!JSON.stringify(answer).includes('mallory'));
    }
    device.rotate();
    await device.register({ Auth: { AuthKey: key } });
    assert.equal(device.node?.userId, 1);
    // Naming the old key gives no hold on the node that has it.
    assert.equal(squatter.node?.userId, 2);
    assert.notEqual(device.node?.id, squatter.node?.id);
  });

  test('while it waits for a person shows another URL at once, and the old one lets nobody in', async () => {
    const { machines, device, squatter, squat } = await squatted();
    const { AuthURL } = await device.register();
    const held = await device.registration({ Followup: AuthURL });
    await squat();
    assert.deepEqual([held.json()['NodeKeyExpired'], held.json()['AuthURL']], [true, '']);
    const attempt = machines.tailnet.logins.register(idOf(AuthURL), 'alice');
    await assert.rejects(attempt, { code: 'auth.not-found' });
    // Clients ask again by the URL that they have, with the new key.
    device.rotate();
    const { AuthURL: url } = await device.register({ Followup: AuthURL });
    assert.notEqual(idOf(url), idOf(AuthURL));
    const node = await machines.tailnet.logins.register(idOf(url), 'alice');
    assert.deepEqual([node.nodeKey, node.machineKey], [device.nodeKey, device.machineKey]);
    assert.equal(squatter.node?.machineKey, squatter.machineKey);
  });

  for (const first of ['squatter', 'device'] as const) {
    test(`in the moment in which a person lets it in: who came first has it, the ${first}`, async () => {
      const { machines, device, squatter, squat } = await squatted();
      const { AuthURL } = await device.register();
      const held = await device.registration({ Followup: AuthURL });
      const decide = (): Promise<unknown> =>
        machines.tailnet.logins.register(idOf(AuthURL), 'alice');
      const steps = first === 'squatter' ? [squat, decide] : [decide, squat];
      const outcomes = await Promise.allSettled(steps.map((step) => step()));
      await settle();
      const winner = first === 'device' ? device : squatter;
      assert.equal(device.node?.machineKey, winner.machineKey);
      assert.equal(held.json()['NodeKeyExpired'], first === 'squatter');
      const refused = outcomes.filter(({ status }) => status === 'rejected').length;
      assert.equal(refused, first === 'squatter' ? 1 : 0);
      const attempt = machines.tailnet.logins.register(idOf(AuthURL), 'alice');
      await assert.rejects(attempt, { code: 'auth.not-found' });
    });
  }

  test('logs out all the same, and the other stays', async () => {
    const { device, squatter, squat } = await squatted();
    await squat();
    const answer = await device.register({ Expiry: '1970-01-01T00:02:03Z' });
    assert.deepEqual([answer['NodeKeyExpired'], answer['Error']], [false, '']);
    assert.equal(squatter.node?.expiry, undefined);
  });

  test('and that waits keeps its place while others become nodes with keys of their own', async () => {
    const { machines, device, key } = await squatted();
    const { AuthURL } = await device.register();
    await machines.joined(3, key);
    assert.equal(idOf((await device.register())['AuthURL']), idOf(AuthURL));
  });
});
