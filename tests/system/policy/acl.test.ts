/**
 * Who reaches whom by `acls`: headscale's integration scenarios `acl`, each under its name, as far as
 * nothing changes; ./acl-changes.test.ts has the others. PolicyTailnet says what stands in for real clients; ../../interop/acl.test.ts has some of them with real ones.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL_FOUR, ALLOW_ALL, OWN_ONLY, SELF, TO_USER2, USER1_TO_USER2 } from './acl-fixtures.ts';
import { accept, PolicyTailnet } from './policy-tailnet.ts';

describe('ACLHostsInNetMapTable: peers are', () => {
  /** All of the internet, without what is private: a long list of prefixes. */
  const internet = (
    '0.0.0.0/5 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/3 160.0.0.0/5 ' +
    '168.0.0.0/6 172.0.0.0/12 172.32.0.0/11 172.64.0.0/10 172.128.0.0/9 173.0.0.0/8 174.0.0.0/7 ' +
    '176.0.0.0/4 192.0.0.0/9 192.128.0.0/11 192.160.0.0/13 192.169.0.0/16 192.170.0.0/15 192.172.0.0/14 ' +
    '192.176.0.0/12 192.192.0.0/10 193.0.0.0/8 194.0.0.0/7 196.0.0.0/6 200.0.0.0/5 208.0.0.0/4'
  )
    .split(' ')
    .map((prefix) => `${prefix}:*`);

  for (const [name, acls, peers] of [
    ['everybody, where everybody may reach everybody', ALLOW_ALL.acls, ALL_FOUR],
    [
      'the own devices, where two users are apart',
      [accept(['user1@'], ['user1@:*']), accept(['user2@'], ['user2@:*'])],
      OWN_ONLY,
    ],
    [
      'everybody who is reached at a single port',
      ['user1@', 'user2@'].flatMap((src) =>
        ['user1@:22', 'user2@:22'].map((dst) => accept([src], [dst])),
      ),
      ALL_FOUR,
    ],
    [
      'whoever may reach a node as well, as answers go there',
      [
        accept(['user1@'], ['user1@:*']),
        accept(['user2@'], ['user2@:*']),
        accept(['user1@'], ['user2@:*']),
      ],
      ALL_FOUR,
    ],
    [
      'the same with long lists of prefixes that hold no node',
      [
        accept(['user1@'], ['user1@:*', ...internet]),
        accept(['user2@'], ['user2@:*', ...internet]),
        accept(['user1@'], ['user2@:*', ...internet]),
      ],
      ALL_FOUR,
    ],
    [
      'everybody, where all addresses are written as prefixes',
      [accept(['*'], ['0.0.0.0/0:*', '::/0:*'])],
      ALL_FOUR,
    ],
  ] as const) {
    test(name, async (t) => {
      const tailnet = await PolicyTailnet.start(t, { acls }, { each: 2 });
      assert.deepEqual(tailnet.peers(), peers);
    });
  }
});

test('ACLAllowUser80Dst: a port of another user is open, and nothing the other way', async (t) => {
  const tailnet = await PolicyTailnet.start(t, { acls: [accept(['user1@'], ['user2@:80'])] });
  assert.deepEqual(tailnet.reached(80), { user1: ['user2'], user2: [] });
  assert.deepEqual(tailnet.reached(443), { user1: [], user2: [] });
  assert.deepEqual(tailnet.peers(), { user1: ['user2'], user2: ['user1'] });
});

test('ACLDenyAllPort80: what no rule names is closed', async (t) => {
  const policy = {
    groups: { 'group:integration-acl-test': ['user1@', 'user2@'] },
    acls: [accept(['group:integration-acl-test'], ['*:22'])],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { each: 2 });
  assert.deepEqual(tailnet.reached(22), ALL_FOUR);
  const nobody = Object.fromEntries(Object.keys(ALL_FOUR).map((name) => [name, []]));
  assert.deepEqual(tailnet.reached(80), nobody);
});

test('ACLAllowUserDst: all ports of another user are open, and none of one’s own devices', async (t) => {
  const tailnet = await PolicyTailnet.start(t, USER1_TO_USER2, { each: 2 });
  for (const port of [1, 80, 65_535]) assert.deepEqual(tailnet.reached(port), TO_USER2);
  assert.deepEqual(tailnet.reached(53, 'udp'), TO_USER2);
  assert.deepEqual(tailnet.reached(0, 'icmp'), TO_USER2);
});

test('ACLAllowStarDst: a user may reach everybody, who may not reach the user', async (t) => {
  const policy = { acls: [accept(['user1@'], ['*:*'])] };
  const tailnet = await PolicyTailnet.start(t, policy, { each: 2 });
  assert.deepEqual(tailnet.reached(80), {
    'user1-1': ['user1-2', 'user2-1', 'user2-2'],
    'user1-2': ['user1-1', 'user2-1', 'user2-2'],
    'user2-1': [],
    'user2-2': [],
  });
});

test('ACLNamedHostsCanReachBySubnet: a host that is a prefix means every node in it', async (t) => {
  const policy = { hosts: { all: '100.64.0.0/24' }, acls: [accept(['*'], ['all:*'])] };
  const tailnet = await PolicyTailnet.start(t, policy, { each: 2 });
  for (const [from, all] of Object.entries(ALL_FOUR)) {
    for (const to of all) {
      assert.ok(tailnet.reaches(from, to, 80), `${from} ${to}`);
      assert.ok(!tailnet.reaches(from, to, 80, 6), 'a prefix means the addresses in it alone');
    }
  }
});

describe('ACLNamedHostsCanReach: hosts mean their addresses', () => {
  for (const family of [4, 6] as const) {
    test(`of IPv${family}, and not those of the other family`, async (t) => {
      const [one, two, three] = [1, 2, 3].map((number) => hostAddress(family, number));
      const policy = {
        hosts: { one, two, three },
        acls: [accept(['*'], ['three:*']), accept(['one'], ['two:*'])],
      };
      const tailnet = await PolicyTailnet.start(t, policy, { users: ['one', 'two', 'three'] });
      const reached = (from: string, to: string) => tailnet.reaches(from, to, 80, family);
      assert.ok(reached('one', 'three') && reached('two', 'three') && reached('one', 'two'));
      assert.ok(!reached('three', 'one') && !reached('three', 'two') && !reached('two', 'one'));
      assert.ok(!tailnet.reaches('one', 'three', 80, family === 4 ? 6 : 4));
    });
  }
});

describe('ACLDevice1CanAccessDevice2: one device reaches another, and not the other way,', () => {
  for (const [name, src, dst] of [
    ['by IPv4 addresses', '100.64.0.1/32', '100.64.0.2/32'],
    ['by IPv6 addresses', 'fd7a:115c:a1e0::1/128', 'fd7a:115c:a1e0::2/128'],
    ['by hosts of IPv4', 'one', 'two'],
    ['by hosts of IPv6', 'one6', 'two6'],
    ['by groups', 'group:one', 'group:two'],
    ['by users', 'user1@', 'user2@'],
  ] as const) {
    test(name, async (t) => {
      const policy = {
        hosts: {
          one: `${hostAddress(4, 1)}/32`,
          two: `${hostAddress(4, 2)}/32`,
          one6: `${hostAddress(6, 1)}/128`,
          two6: `${hostAddress(6, 2)}/128`,
        },
        groups: { 'group:one': ['user1@'], 'group:two': ['user2@'] },
        acls: [accept([src], [`${dst}:*`])],
      };
      const tailnet = await PolicyTailnet.start(t, policy);
      const family = src.startsWith('fd7a') || src.endsWith('6') ? 6 : 4;
      assert.ok(tailnet.reaches('user1', 'user2', 80, family));
      assert.ok(!tailnet.reaches('user2', 'user1', 80, family));
    });
  }

  test('by tags', async (t) => {
    const policy = {
      tagOwners: { 'tag:one': [], 'tag:two': [] },
      acls: [accept(['tag:one'], ['tag:two:*'])],
    };
    const tailnet = await PolicyTailnet.start(t, policy, { users: [] });
    await tailnet.join('one', { tags: ['tag:one'] });
    await tailnet.join('two', { tags: ['tag:two'] });
    await tailnet.settle();
    assert.deepEqual(tailnet.reached(80), { one: ['two'], two: [] });
  });
});

test('ACLAutogroupMember: untagged devices reach each other, and no tagged one', async (t) => {
  const policy = {
    tagOwners: { 'tag:test': [] },
    acls: [accept(['autogroup:member'], ['autogroup:member:*'])],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { each: 2 });
  await tailnet.join('tagged', { tags: ['tag:test'] });
  await tailnet.settle();
  assert.deepEqual(tailnet.reached(80), { ...ALL_FOUR, tagged: [] });
});

test('ACLAutogroupTagged: tagged devices reach each other, and no untagged one', async (t) => {
  const policy = {
    tagOwners: { 'tag:test': ['user1@', 'user2@'] },
    acls: [accept(['autogroup:tagged'], ['autogroup:tagged:*'])],
  };
  const tailnet = await PolicyTailnet.start(t, policy);
  for (const user of ['user1', 'user2']) {
    await tailnet.join(`${user}-tagged`, { user, tags: ['tag:test'] });
  }
  await tailnet.settle();
  const expected = {
    user1: [],
    user2: [],
    'user1-tagged': ['user2-tagged'],
    'user2-tagged': ['user1-tagged'],
  };
  assert.deepEqual(tailnet.peers(), expected);
  assert.deepEqual(tailnet.reached(80), expected);
});

test('ACLAutogroupSelf: a user’s devices reach each other, and other rules hold beside', async (t) => {
  const policy = {
    groups: { 'group:home': ['user1@', 'user2@'] },
    tagOwners: { 'tag:router-node': ['user-router@'] },
    acls: [
      ...SELF.acls,
      accept(['group:home'], ['tag:router-node:*']),
      accept(['tag:router-node'], ['group:home:*']),
    ],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { each: 2 });
  await tailnet.malla.say('users create user-router');
  await tailnet.join('router', { user: 'user-router', tags: ['tag:router-node'] });
  await tailnet.settle();
  const withRouter = Object.entries(OWN_ONLY).map(([name, own]) => [name, [...own, 'router']]);
  const expected = { ...Object.fromEntries(withRouter), router: Object.keys(OWN_ONLY) };
  assert.deepEqual(tailnet.reached(80), expected);
  assert.deepEqual(tailnet.peers(), expected);
});

/** The address that the `number`th node of a tailnet gets. */
function hostAddress(family: 4 | 6, number: number): string {
  return family === 4 ? `100.64.0.${number}` : `fd7a:115c:a1e0::${number}`;
}
