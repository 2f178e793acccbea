import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTailnet, refusal } from '../testing/rows.ts';
import { createApiKey, deleteApiKey, expireApiKey, sawApiKey, verifyApiKey } from './api-keys.ts';

describe('API keys', () => {
  test('a new key lets in until it expires', () => {
    const tailnet = createTailnet({});
    const { key, text } = tailnet.run((state, context) => createApiKey(state, 5_000, context));
    assert.match(text, /^hskey-api-[0-9a-f]{12}-[0-9a-f]{64}$/);
    assert.equal(verifyApiKey(tailnet.state, text, 4_999), key);
    assert.equal(verifyApiKey(tailnet.state, text, 5_000), undefined);
  });

  test('a key without expiration lets in for ever', () => {
    const tailnet = createTailnet({});
    const { text } = tailnet.run((state, context) => createApiKey(state, undefined, context));
    assert.ok(verifyApiKey(tailnet.state, text, Number.MAX_SAFE_INTEGER));
  });

  test('a pre-auth key, a wrong secret and a deleted key let nobody in', () => {
    const tailnet = createTailnet({});
    const { key, text } = tailnet.run((state, context) => createApiKey(state, undefined, context));
    assert.equal(verifyApiKey(tailnet.state, text.replace('-api-', '-auth-'), 0), undefined);
    assert.equal(verifyApiKey(tailnet.state, text.slice(0, -1) + 'x', 0), undefined);
    tailnet.run((state) => deleteApiKey(state, { id: key.id }));
    assert.equal(verifyApiKey(tailnet.state, text, 0), undefined);
  });

  test('an expired key is void and stays listed', () => {
    const tailnet = createTailnet({});
    const { key, text } = tailnet.run((state, context) => createApiKey(state, undefined, context));
    tailnet.run((state, context) => expireApiKey(state, { id: key.id }, context));
    assert.equal(verifyApiKey(tailnet.state, text, tailnet.now), undefined);
    assert.equal(tailnet.state.apiKey(key.id)?.expiration, tailnet.now);
  });

  test('expiring a key twice does not give it more time', () => {
    const tailnet = createTailnet({});
    const { key } = tailnet.run((state, context) => createApiKey(state, undefined, context));
    tailnet.run((state, context) => expireApiKey(state, { id: key.id }, context));
    tailnet.now += 1_000;
    const again = tailnet.run((state, context) => expireApiKey(state, { id: key.id }, context));
    assert.equal(again.expiration, tailnet.now - 1_000);
  });

  test('a key is found by id, by bare prefix, and by what lists show', () => {
    for (const refer of [
      (id: number) => ({ id }),
      (_: number, prefix: string) => ({ prefix }),
      (_: number, prefix: string) => ({ prefix: `hskey-api-${prefix}-***` }),
    ]) {
      const tailnet = createTailnet({});
      const { key } = tailnet.run((state, context) => createApiKey(state, undefined, context));
      tailnet.run((state) => deleteApiKey(state, refer(key.id, key.prefix)));
      assert.equal(tailnet.state.apiKey(key.id), undefined);
    }
  });

  test('a reference must be to one key that is there', () => {
    const tailnet = createTailnet({});
    const remove = (reference: { id?: number; prefix?: string }): string =>
      refusal(() => tailnet.run((state) => deleteApiKey(state, reference))).code;
    assert.equal(remove({}), 'request.invalid');
    assert.equal(remove({ id: 1, prefix: 'abc' }), 'request.invalid');
    assert.equal(remove({ id: 1 }), 'api-key.not-found');
    assert.equal(remove({ prefix: 'abc' }), 'api-key.not-found');
  });

  test('use is noted once a minute, and need not be stored at once', () => {
    const tailnet = createTailnet({});
    const { key } = tailnet.run((state, context) => createApiKey(state, undefined, context));
    const see = (at: number): number => {
      const context = { tailnet: FIRST_TAILNET, now: at, random: tailnet.random };
      const decision = sawApiKey(tailnet.state, key.id, context);
      for (const change of decision.changes) tailnet.state.apply(change);
      assert.equal(decision.durability, 'soon');
      return decision.changes.length;
    };
    assert.deepEqual([see(100_000), see(159_999), see(160_000)], [1, 0, 1]);
    assert.equal(tailnet.state.apiKey(key.id)?.lastSeen, 160_000);
  });

  test('no text that is presented as a key makes the check throw', () => {
    const { state } = createTailnet({});
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(verifyApiKey(state, text, 0), undefined);
        assert.equal(verifyApiKey(state, `hskey-api-${text}`, 0), undefined);
      }),
    );
  });
});
