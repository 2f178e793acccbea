import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTailnet, refusal } from '../testing/rows.ts';
import {
  createPreAuthKey,
  deletePreAuthKey,
  expirePreAuthKey,
  findPreAuthKey,
  idOfPreAuthKey,
  type NewPreAuthKey,
} from './preauth-keys.ts';

const WANTED: NewPreAuthKey = {
  userId: 1,
  tags: [],
  reusable: false,
  ephemeral: false,
  expiration: undefined,
  description: '',
};

describe('pre-auth keys', () => {
  test('a new key lets a device in, and the row holds no more of it than prefix and hash', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { key, text } = tailnet.run((state, context) => createPreAuthKey(state, WANTED, context));
    assert.match(text, /^hskey-auth-[0-9a-f]{12}-[0-9a-f]{64}$/);
    assert.deepEqual(findPreAuthKey(tailnet.state, text, 0), { ok: true, value: key });
    assert.ok(!JSON.stringify(key).includes(text.slice(-64)));
  });

  test('a key of the right prefix and another secret is unknown', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { text } = tailnet.run((state, context) => createPreAuthKey(state, WANTED, context));
    const forged = text.slice(0, -64) + '0'.repeat(64);
    assert.deepEqual(findPreAuthKey(tailnet.state, forged, 0), { ok: false, error: 'unknown' });
  });

  test('a single-use key that was used says so, a reusable one still lets in', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    for (const reusable of [false, true]) {
      const { key, text } = tailnet.run((state, context) =>
        createPreAuthKey(state, { ...WANTED, reusable }, context),
      );
      const used = { ...key, used: true };
      tailnet.state.apply({ table: 'preAuthKey', id: key.id, before: key, after: used });
      const expected = reusable ? { ok: true, value: used } : { ok: false, error: 'used' };
      assert.deepEqual(findPreAuthKey(tailnet.state, text, 0), expected);
    }
  });

  test('a key lets in until the moment it expires', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { text } = tailnet.run((state, context) =>
      createPreAuthKey(state, { ...WANTED, expiration: 1_000 }, context),
    );
    assert.ok(findPreAuthKey(tailnet.state, text, 999).ok);
    assert.deepEqual(findPreAuthKey(tailnet.state, text, 1_000), { ok: false, error: 'expired' });
  });

  test('a key that an administrator expired is told from one whose time is over', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { key, text } = tailnet.run((state, context) => createPreAuthKey(state, WANTED, context));
    const expired = tailnet.run((state, context) => expirePreAuthKey(state, key.id, context));
    assert.equal(expired.expiration, tailnet.now);
    assert.deepEqual(findPreAuthKey(tailnet.state, text, tailnet.now), {
      ok: false,
      error: 'revoked',
    });
  });

  test('a deleted key is unknown', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { key, text } = tailnet.run((state, context) => createPreAuthKey(state, WANTED, context));
    tailnet.run((state) => deletePreAuthKey(state, key.id));
    assert.deepEqual(findPreAuthKey(tailnet.state, text, 0), { ok: false, error: 'unknown' });
  });

  test('expiring or deleting a key that is not there is refused', () => {
    const tailnet = createTailnet({});
    const expire = refusal(() =>
      tailnet.run((state, context) => expirePreAuthKey(state, 7, context)),
    );
    const remove = refusal(() => tailnet.run((state) => deletePreAuthKey(state, 7)));
    assert.equal(expire.code, 'preauth-key.not-found');
    assert.equal(remove.code, 'preauth-key.not-found');
  });

  test('a key has an owner that exists, or tags, or both', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const create = (wanted: Partial<NewPreAuthKey>): unknown =>
      tailnet.run((state, context) => createPreAuthKey(state, { ...WANTED, ...wanted }, context));
    create({ userId: undefined, tags: ['tag:web'] });
    create({ userId: 1, tags: ['tag:web'] });
    assert.equal(refusal(() => create({ userId: undefined })).code, 'preauth-key.invalid');
    assert.equal(refusal(() => create({ userId: 2 })).code, 'user.not-found');
  });

  test('tags of a key are checked, sorted and freed of repetitions', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const create = (tags: readonly string[]): readonly string[] =>
      tailnet.run((state, context) => createPreAuthKey(state, { ...WANTED, tags }, context)).key
        .tags;
    assert.deepEqual(create(['tag:web', 'tag:db', 'tag:web']), ['tag:db', 'tag:web']);
    const refused: [string, RegExp][] = [
      ['web', /^tag must start with the string 'tag:'$/],
      ['tag:Web', /^tag should be lowercase$/],
      ['tag:web server', /^tags must not contain spaces$/],
      ['tag:', /^tag names must start with a letter, after 'tag:'$/],
    ];
    for (const [tag, message] of refused) {
      const error = refusal(() => create([tag]));
      assert.equal(error.code, 'node.tags-invalid');
      assert.match(error.message, message);
    }
  });

  test('tags of a key are those that the policy defines', () => {
    const tailnet = createTailnet({});
    const policy = { isDefined: (tag: string) => tag === 'tag:web', owns: () => false };
    const create = (...tags: readonly string[]): readonly string[] =>
      tailnet.run((state, context) =>
        createPreAuthKey(state, { ...WANTED, userId: undefined, tags }, context, policy),
      ).key.tags;
    assert.deepEqual(create('tag:web'), ['tag:web']);
    const { code, message } = refusal(() => create('tag:web', 'tag:nosuch'));
    assert.equal(code, 'node.tags-invalid');
    assert.match(message, /\[tag:nosuch\].*the policy does not define them in tagOwners/);
  });

  test('a key is found by its text and by what lists show of it', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    const { key, text } = tailnet.run((state, context) => createPreAuthKey(state, WANTED, context));
    for (const known of [text, `hskey-auth-${key.prefix}-***`, key.prefix]) {
      assert.equal(idOfPreAuthKey(tailnet.state, known), key.id);
    }
    for (const unknown of [text.slice(0, -1) + 'x', 'hskey-auth-000-***', '']) {
      assert.equal(
        refusal(() => idOfPreAuthKey(tailnet.state, unknown)).code,
        'preauth-key.not-found',
      );
    }
  });

  test('no text that is presented as a key makes the check throw', () => {
    const { state } = createTailnet({});
    fc.assert(fc.property(fc.string(), (text) => !findPreAuthKey(state, text, 0).ok));
    fc.assert(
      fc.property(fc.string(), (text) => !findPreAuthKey(state, `hskey-auth-${text}`, 0).ok),
    );
  });
});
