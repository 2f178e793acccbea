/**
 * Policies, tags, groups and users that change under connected clients: the rest of headscale's integration
 * scenarios `acl`, each under its name.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_FOUR, ALLOW_ALL, OWN_ONLY, SELF, TO_USER2, USER1_TO_USER2 } from './acl-fixtures.ts';
import { accept, type Pairs, PolicyTailnet } from './policy-tailnet.ts';

const BOTH: Pairs = { user1: ['user2'], user2: ['user1'] };

test('PolicyUpdateWhileRunningWithCLIInDatabase: a policy takes effect on whoever is connected', async (t) => {
  // Without a policy malla lets a user's own devices see each other; headscale lets everybody.
  const yaml = 'policy.default: allow-all';
  const tailnet = await PolicyTailnet.start(t, undefined, { each: 2, yaml });
  assert.deepEqual(tailnet.reached(80), ALL_FOUR);
  await tailnet.setPolicy(USER1_TO_USER2);
  assert.deepEqual(JSON.parse(await tailnet.malla.say('policy get')), USER1_TO_USER2);
  assert.deepEqual(tailnet.reached(80), TO_USER2);
});

test('ACLPolicyPropagationOverTime: policies that follow each other leave nothing behind', async (t) => {
  const tailnet = await PolicyTailnet.start(t, undefined, { each: 2 });
  for (let round = 1; round <= 5; round++) {
    await tailnet.setPolicy(ALLOW_ALL);
    assert.deepEqual(tailnet.reached(80), ALL_FOUR);
    await tailnet.setPolicy(SELF);
    assert.deepEqual(tailnet.reached(80), OWN_ONLY);
    assert.deepEqual(tailnet.peers(), OWN_ONLY);
    await tailnet.join(`late-${round}`, { user: 'user1' });
    await tailnet.settle();
    assert.deepEqual(tailnet.reached(80), {
      ...OWN_ONLY,
      'user1-1': ['user1-2', `late-${round}`],
      'user1-2': ['user1-1', `late-${round}`],
      [`late-${round}`]: ['user1-1', 'user1-2'],
    });
    await tailnet.deleteNode(`late-${round}`);
    assert.deepEqual(tailnet.peers(), OWN_ONLY);
    await tailnet.setPolicy(USER1_TO_USER2);
    assert.deepEqual(tailnet.reached(80), TO_USER2);
  }
});

describe('ACLTagPropagation: a tag that is', () => {
  for (const [name, tags, granted, given, before, after] of [
    ['added gives access (add-tag-grants-access)', [], 'tag:shared', 'tag:shared', false, true],
    [
      'replaced takes access away (remove-tag-revokes-access)',
      ['tag:shared'],
      'tag:shared',
      'tag:other',
      true,
      false,
    ],
    [
      'changed for another gives access (change-tag-changes-access)',
      ['tag:team-a'],
      'tag:team-b',
      'tag:team-b',
      false,
      true,
    ],
    [
      'one of two and goes takes access away (multiple-tags-partial-removal)',
      ['tag:web', 'tag:internal'],
      'tag:web',
      'tag:internal',
      true,
      false,
    ],
  ] as const) {
    test(name, async (t) => {
      const owned = [...new Set([...tags, granted, given])].map((tag) => [tag, ['user1@']]);
      const policy = { tagOwners: Object.fromEntries(owned), acls: toUser2(granted) };
      const tailnet = await PolicyTailnet.start(t, policy, { users: ['user2'] });
      await tailnet.malla.say('users create user1');
      await tailnet.join('target', { user: 'user1', tags });
      await tailnet.settle();
      assert.deepEqual(tailnet.reached(80), pairOf(before));
      assert.deepEqual(tailnet.peers(), pairOf(before));
      assert.deepEqual((await tailnet.tag('target', given)).tags, [given]);
      assert.deepEqual(tailnet.reached(80), pairOf(after));
      assert.deepEqual(tailnet.peers(), pairOf(after));
    });
  }

  test('given changes who a node is for its peers (tag-change-updates-peer-identity)', async (t) => {
    const policy = {
      tagOwners: { 'tag:server': ['user1@'] },
      acls: [...toUser2('tag:server'), accept(['user2@'], ['user1@:*'])],
    };
    const tailnet = await PolicyTailnet.start(t, policy);
    const shown = () => tailnet.client('user2').netmap.peers.get(tailnet.idOf('user1'));
    assert.equal(shown()?.['Tags'], undefined);
    assert.deepEqual(tailnet.reached(80), { user1: [], user2: ['user1'] });
    await tailnet.tag('user1', 'tag:server');
    assert.deepEqual(shown()?.['Tags'], ['tag:server']);
    const owner = tailnet.client('user2').netmap.users.get(Number(shown()?.['User']));
    assert.equal(owner?.['LoginName'], 'tagged-devices');
    assert.deepEqual(tailnet.reached(80), { user1: ['user2'], user2: ['user1'] });
  });
});

test('ACLTagPropagationPortSpecific: a change of tag closes one port, opens another, and the peer stays', async (t) => {
  const tags = ['tag:webserver', 'tag:sshonly'];
  const policy = {
    tagOwners: { 'tag:webserver': ['user1@'], 'tag:sshonly': ['user1@'] },
    acls: [
      accept(['user2@'], ['user2@:*']),
      accept(['user2@'], ['tag:webserver:80']),
      accept(['user2@'], ['tag:sshonly:22']),
      accept(['user2@'], ['tag:webserver:*', 'tag:sshonly:*'], 'icmp'),
      accept(tags, ['user2@:*']),
    ],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { users: ['user2'] });
  await tailnet.malla.say('users create user1');
  await tailnet.join('target', { user: 'user1', tags: ['tag:webserver'] });
  await tailnet.settle();
  const open = () =>
    [80, 22, 443].filter((port) => tailnet.reached(port)['user2']?.includes('target') === true);
  assert.deepEqual(open(), [80]);
  await tailnet.tag('target', 'tag:sshonly');
  assert.deepEqual(open(), [22]);
  assert.deepEqual(tailnet.peers(), { user2: ['target'], target: ['user2'] });
  assert.deepEqual(tailnet.reached(0, 'icmp'), { user2: ['target'], target: ['user2'] });
});

describe('a group with a user whom there is not', () => {
  test('means those whom there are (ACLGroupWithUnknownUser)', async (t) => {
    const tailnet = await PolicyTailnet.start(t, ofGroup('user1', 'user2', 'nonexistent'));
    assert.deepEqual(tailnet.reached(80), BOTH);
  });

  test('means the rest after a user was destroyed and another one was made (ACLGroupAfterUserDeletion)', async (t) => {
    const users = ['user1', 'user2', 'user3'];
    const tailnet = await PolicyTailnet.start(t, ofGroup(...users), { users });
    assert.deepEqual(tailnet.reached(80)['user1'], ['user2', 'user3']);
    await tailnet.deleteNode('user3');
    await tailnet.malla.say('users destroy --force --name user3');
    await tailnet.settle();
    assert.deepEqual(tailnet.reached(80), BOTH);
    await tailnet.malla.say('users create user4');
    await tailnet.settle();
    assert.deepEqual(tailnet.reached(80), BOTH);
  });

  test('keeps every flow open while users and the group change (ACLGroupDeletionExactReproduction)', async (t) => {
    const users = ['user1', 'user2', 'user3'];
    const tailnet = await PolicyTailnet.start(t, ofAdmins(...users), { users });
    let [looks, failures, isOver] = [0, 0, false];
    const watched = ['user1', 'user3'].map((name) =>
      tailnet.client(name).until(() => {
        looks++;
        const isOpen =
          tailnet.reaches('user1', 'user3', 80) && tailnet.reaches('user3', 'user1', 80);
        if (!isOpen) failures++;
        return isOver;
      }, 30_000),
    );
    await tailnet.deleteNode('user2');
    await tailnet.malla.say('users destroy --force --name user2');
    await tailnet.malla.say('users create existinguser');
    await tailnet.setPolicy(ofAdmins('user1', 'user2', 'user3', 'existinguser'));
    await tailnet.malla.say('users create anotheruser');
    await tailnet.setPolicy(ofAdmins('user1', 'user3', 'anotherinvaliduser'));
    isOver = true;
    await tailnet.settle();
    await Promise.all(watched);
    assert.equal(failures, 0);
    assert.ok(looks > 10, `only ${looks} messages came`);
  });

  test('comes while clients are connected, and nothing breaks (ACLDynamicUnknownUserAddition)', async (t) => {
    const tailnet = await PolicyTailnet.start(t, ofGroup('user1', 'user2'));
    await tailnet.setPolicy(ofGroup('user1', 'user2', 'nonexistent'));
    assert.deepEqual(tailnet.reached(80), BOTH);
    await tailnet.malla.say('users create nonexistent');
    await tailnet.join('known', { user: 'nonexistent' });
    await tailnet.settle();
    assert.deepEqual(tailnet.reached(80)['known'], ['user1', 'user2']);
  });

  test('goes while clients are connected, and nothing breaks (ACLDynamicUnknownUserRemoval)', async (t) => {
    const tailnet = await PolicyTailnet.start(t, ofGroup('user1', 'user2', 'invaliduser'));
    assert.deepEqual(tailnet.reached(80), BOTH);
    await tailnet.setPolicy(ofGroup('user1', 'user2'));
    assert.deepEqual(tailnet.reached(80), BOTH);
  });
});

/** User2 may reach a tag, and is reached by it. */
function toUser2(tag: string): readonly object[] {
  return [accept(['user2@'], ['user2@:*', `${tag}:*`]), accept([tag], ['user2@:*'])];
}

/** Whether user2 and the target of a test reach each other. */
function pairOf(isAllowed: boolean): Pairs {
  return isAllowed ? { user2: ['target'], target: ['user2'] } : { user2: [], target: [] };
}

/** A group whose members may reach each other. */
function ofGroup(...members: readonly string[]): object {
  return {
    groups: { 'group:test': members.map((name) => `${name}@`) },
    acls: [accept(['group:test'], ['group:test:*'])],
  };
}

/** A group whose members may reach everybody. */
function ofAdmins(...members: readonly string[]): object {
  return { ...ofGroup(...members), acls: [accept(['group:test'], ['*:*'])] };
}
