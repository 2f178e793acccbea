import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTailnet } from '../testing/rows.ts';
import { createPreAuthKey, expirePreAuthKey } from './preauth-keys.ts';
import { purgeRevokedKeys } from './purge.ts';

test('a revoked key stays listed for a while, a valid one for good', () => {
  const tailnet = createTailnet({ users: ['alice'] });
  const wanted = {
    userId: 1,
    tags: [],
    reusable: false,
    ephemeral: false,
    expiration: undefined,
    description: '',
  };
  for (let i = 0; i < 2; i++)
    tailnet.run((state, context) => createPreAuthKey(state, wanted, context));
  tailnet.run((state, context) => expirePreAuthKey(state, 1, context));
  const purge = (): number =>
    tailnet.run((state, context) => purgeRevokedKeys(state, 1_000, context));
  tailnet.now += 999;
  assert.equal(purge(), 0);
  tailnet.now += 1;
  assert.equal(purge(), 1);
  assert.deepEqual(
    [...tailnet.state.preAuthKeys()].map(({ id }) => id),
    [2],
  );
});
