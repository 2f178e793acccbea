import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTailnet, refusal, testUser } from '../testing/rows.ts';
import { createPreAuthKey, findPreAuthKey } from './preauth-keys.ts';
import { createUser, destroyUser, type NewUser, renameUser } from './users.ts';

const WANTED: NewUser = { name: 'ann', displayName: '', email: '', pictureUrl: '' };

describe('users', () => {
  test('a user is made with the next id', () => {
    const tailnet = createTailnet({ users: ['bob'] });
    const user = tailnet.run((state, context) => createUser(state, WANTED, context));
    assert.equal(user.id, 2);
    assert.equal(user.createdAt, tailnet.now);
    assert.equal(tailnet.state.userByName('ann'), user);
  });

  test('names of two or more letters, digits, dots, hyphens, underscores and one at sign are taken', () => {
    for (const name of ['ab', 'ann@example.org', 'a.b-c_d9', 'Ödön']) {
      const tailnet = createTailnet({});
      tailnet.run((state, context) => createUser(state, { ...WANTED, name }, context));
    }
  });

  test('any other name is refused, and why is said', () => {
    const refused: [string, RegExp][] = [
      ['a', /at least 2/],
      ['', /at least 2/],
      ['9lives', /start with a letter/],
      ['-ann', /start with a letter/],
      ['a@b@c', /more than one '@'/],
      ['ann smith', /not ' '/],
      ['ann/..', /not '\/'/],
      ['a'.repeat(256), /at most 255/],
    ];
    for (const [name, message] of refused) {
      const tailnet = createTailnet({});
      const error = refusal(() =>
        tailnet.run((state, context) => createUser(state, { ...WANTED, name }, context)),
      );
      assert.equal(error.code, 'user.name-invalid');
      assert.match(error.message, message);
    }
  });

  test('a name belongs to one user', () => {
    const tailnet = createTailnet({ users: ['ann', 'bob'] });
    const create = refusal(() =>
      tailnet.run((state, context) => createUser(state, WANTED, context)),
    );
    const rename = refusal(() => tailnet.run((state) => renameUser(state, 2, 'ann')));
    assert.deepEqual([create.code, create.message], ['user.name-taken', 'user already exists']);
    assert.equal(rename.code, 'user.name-taken');
  });

  test('a renamed user is found by the new name only', () => {
    const tailnet = createTailnet({ users: ['ann'] });
    tailnet.run((state) => renameUser(state, 1, 'anna'));
    assert.equal(tailnet.state.userByName('ann'), undefined);
    assert.equal(tailnet.state.userByName('anna')?.id, 1);
  });

  test('a user of an identity provider keeps the name that it gives', () => {
    const tailnet = createTailnet({});
    const after = { ...testUser(1, 'ann'), provider: 'oidc', providerId: 'https://id.example/1' };
    tailnet.state.apply({ table: 'user', id: 1, before: undefined, after });
    const error = refusal(() => tailnet.run((state) => renameUser(state, 1, 'anna')));
    assert.equal(error.code, 'user.name-invalid');
  });

  test('destroying a user removes its nodes and voids its pre-auth keys, and nobody else’s', () => {
    const tailnet = createTailnet({
      users: ['ann', 'bob'],
      nodes: [{ userId: 1 }, { userId: 2 }, { userId: undefined, tags: ['tag:web'] }],
    });
    const key = (userId: number): string =>
      tailnet.run((state, context) =>
        createPreAuthKey(
          state,
          {
            userId,
            tags: [],
            reusable: true,
            ephemeral: false,
            expiration: undefined,
            description: '',
          },
          context,
        ),
      ).text;
    const [annsKey, bobsKey] = [key(1), key(2)];
    tailnet.run((state) => destroyUser(state, 1));
    const { state } = tailnet;
    assert.deepEqual(
      [...state.users()].map((user) => user.name),
      ['bob'],
    );
    assert.deepEqual(
      [...state.nodes()].map((node) => node.id),
      [2, 3],
    );
    assert.deepEqual(findPreAuthKey(state, annsKey, 0), { ok: false, error: 'unknown' });
    assert.ok(findPreAuthKey(state, bobsKey, 0).ok);
  });

  test('a user that is not there can be neither renamed nor destroyed', () => {
    const tailnet = createTailnet({});
    const rename = refusal(() => tailnet.run((state) => renameUser(state, 7, 'ann')));
    const destroy = refusal(() => tailnet.run((state) => destroyUser(state, 7)));
    assert.deepEqual([rename.code, destroy.code], ['user.not-found', 'user.not-found']);
  });
});
