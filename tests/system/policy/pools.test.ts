/** Pools of addresses that a policy gives to devices that join. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyTailnet } from './policy-tailnet.ts';

const POLICY = {
  groups: { 'group:dev': ['user1@'] },
  tagOwners: { 'tag:web': [] },
  nodeAttrs: [
    { target: ['group:dev'], ipPool: ['100.85.0.0/16'] },
    { target: ['tag:web'], ipPool: ['100.86.0.0/30'] },
  ],
};

test('a device gets its address from the pool that is meant for it when it joins', async (t) => {
  const tailnet = await PolicyTailnet.start(t, undefined, { users: ['user1', 'user2'] });
  assert.equal(tailnet.addressOf('user1'), '100.64.0.1');
  await tailnet.setPolicy(POLICY);
  assert.equal(tailnet.addressOf('user1'), '100.64.0.1', 'who is there keeps its address');
  for (const [hostname, key, address] of [
    ['laptop', { user: 'user1' }, '100.85.0.1'],
    ['phone', { user: 'user2' }, '100.64.0.3'],
    ['web', { tags: ['tag:web'] }, '100.86.0.1'],
    ['mac', { user: 'user1' }, '100.85.0.2'],
    ['web-2', { tags: ['tag:web'] }, '100.86.0.2'],
  ] as const) {
    await tailnet.join(hostname, key);
    assert.equal(tailnet.addressOf(hostname), address);
  }
  await tailnet.settle();
  assert.ok(tailnet.reaches('phone', 'mac', 80));

  const late = await tailnet.device('web-3');
  const key = await tailnet.key({ tags: ['tag:web'], reusable: true });
  assert.equal(
    (await late.register({ authKey: key }))['Error'],
    "no free IPv4 address in the policy's pool 100.86.0.0/30: all 2 are in use",
  );
  await tailnet.setPolicy({
    ...POLICY,
    nodeAttrs: [{ target: ['tag:web'], ipPool: ['100.86.0.0/30', '100.87.0.0/24'] }],
  });
  assert.equal((await late.register({ authKey: key }))['Error'], '');
  await tailnet.open(late);
  assert.equal(tailnet.addressOf('web-3'), '100.87.0.1');
  assert.equal(tailnet.addressOf('laptop'), '100.85.0.1');
});

test('a pool where clients have addresses of their own is refused', async (t) => {
  const tailnet = await PolicyTailnet.start(t, undefined, { users: [] });
  const nodeAttrs = [{ target: ['*'], ipPool: ['100.100.100.0/24'] }];
  assert.match(
    await tailnet.refusedPolicy({ nodeAttrs }),
    /nodeAttrs\[0\]\.ipPool\[0\]: IPPool\(100\.100\.100\.0\/24\): network within reserved range/,
  );
});
