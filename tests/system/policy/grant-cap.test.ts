/**
 * Capabilities that grants give between nodes, and what goes with them: headscale's integration scenarios
 * `grant_cap`, each under its name, and Taildrop. Real clients share files in ../../interop/acl.test.ts, and
 * relay in ../../interop/peer-relay.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accept, PolicyTailnet } from './policy-tailnet.ts';

const RELAY = 'tailscale.com/cap/relay';
const RELAY_TARGET = 'tailscale.com/cap/relay-target';
const DRIVE = 'tailscale.com/cap/drive';
const DRIVE_SHARER = 'tailscale.com/cap/drive-sharer';
const FILE_SHARING = 'https://tailscale.com/cap/file-sharing';
const ACCESS_ALL = { shares: ['*'], access: 'rw' };

test('GrantCapRelay: a relay knows its clients, they know it, and nobody else is told', async (t) => {
  const tags = ['tag:relay', 'tag:client-a', 'tag:client-b'];
  const everywhere = { src: tags, dst: tags, ip: ['*'] };
  const tagOwners = Object.fromEntries(tags.map((tag) => [tag, []]));
  const relaying = {
    src: ['tag:client-a', 'tag:client-b'],
    dst: ['tag:relay'],
    app: { [RELAY]: [{}] },
  };
  const policy = { tagOwners, grants: [everywhere, relaying] };
  const tailnet = await PolicyTailnet.start(t, policy, { users: [] });
  const names = ['relay', 'client-a', 'client-b'];
  for (const name of names) await tailnet.join(name, { tags: [`tag:${name}`] });
  await tailnet.settle();
  assert.deepEqual(granted(tailnet, names), {
    'relay client-a': [RELAY_TARGET],
    'relay client-b': [RELAY_TARGET],
    'client-a relay': [RELAY],
    'client-b relay': [RELAY],
  });
  await tailnet.setPolicy({ tagOwners, grants: [everywhere] });
  assert.deepEqual(granted(tailnet, names), {});
});

test('GrantCapDrive: a sharer knows who may do what with its files, and they know that it shares', async (t) => {
  const names = ['sharer', 'rw-client', 'ro-client', 'no-access'];
  const tags = names.map((name) => `tag:${name}`);
  const share = (src: string, access: string) => ({
    src: [src],
    dst: ['tag:sharer'],
    app: { [DRIVE]: [{ shares: ['*'], access }] },
  });
  const policy = {
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, []])),
    nodeAttrs: [{ target: ['*'], attr: ['drive:share', 'drive:access'] }],
    grants: [
      { src: tags, dst: tags, ip: ['*'] },
      share('tag:rw-client', 'rw'),
      share('tag:ro-client', 'ro'),
    ],
  };
  const tailnet = await PolicyTailnet.start(t, policy, { users: [] });
  for (const name of names) await tailnet.join(name, { tags: [`tag:${name}`] });
  await tailnet.settle();
  for (const name of names) {
    const own = ownCapabilities(tailnet, name);
    assert.ok(own.includes('drive:share') && own.includes('drive:access'), name);
  }
  assert.deepEqual(granted(tailnet, names), {
    'rw-client sharer': [DRIVE],
    'ro-client sharer': [DRIVE],
    'sharer rw-client': [DRIVE_SHARER],
    'sharer ro-client': [DRIVE_SHARER],
  });
  const access = (from: string) => tailnet.capabilities(from, 'sharer')[DRIVE];
  assert.deepEqual(access('rw-client'), [{ shares: ['*'], access: 'rw' }]);
  assert.deepEqual(access('ro-client'), [{ shares: ['*'], access: 'ro' }]);
  assert.equal(access('no-access'), undefined);
});

test('a capability opens no port, but makes two nodes peers', async (t) => {
  const grants = [{ src: ['user1@'], dst: ['user2@'], app: { 'example.com/cap/app': [{}] } }];
  const tailnet = await PolicyTailnet.start(t, { grants });
  assert.deepEqual(tailnet.peers(), { user1: ['user2'], user2: ['user1'] });
  assert.deepEqual(tailnet.reached(80), { user1: [], user2: [] });
  assert.deepEqual(granted(tailnet, ['user1', 'user2']), {
    'user1 user2': ['example.com/cap/app'],
  });
});

test('capabilities between a user’s own devices are for these alone', async (t) => {
  const grants = [
    { src: ['autogroup:member'], dst: ['autogroup:self'], app: { [DRIVE]: [ACCESS_ALL] } },
    { src: ['*'], dst: ['*'], ip: ['*'] },
  ];
  const tailnet = await PolicyTailnet.start(t, { grants }, { each: 2 });
  const names = ['user1-1', 'user1-2', 'user2-1', 'user2-2'];
  const both = [DRIVE, DRIVE_SHARER];
  assert.deepEqual(granted(tailnet, names), {
    'user1-1 user1-2': both,
    'user1-2 user1-1': both,
    'user2-1 user2-2': both,
    'user2-2 user2-1': both,
  });
});

test('values of one capability add up over grants, and come and go with a tag', async (t) => {
  const name = 'example.com/cap/roles';
  const grant = (src: string, role: string) => ({
    src: [src],
    dst: ['user2@'],
    app: { [name]: [{ role }] },
  });
  const policy = {
    tagOwners: { 'tag:ops': [] },
    grants: [grant('*', 'reader'), grant('tag:ops', 'writer'), grant('tag:ops', 'admin')],
  };
  const tailnet = await PolicyTailnet.start(t, policy);
  assert.deepEqual(tailnet.capabilities('user1', 'user2'), { [name]: [{ role: 'reader' }] });
  await tailnet.tag('user1', 'tag:ops');
  // Their order is that of the filter's parts, by names that mean nothing.
  const values = tailnet.capabilities('user1', 'user2')[name] ?? [];
  const roles = values.map((value) => (value as { readonly role: string }).role).toSorted();
  assert.deepEqual(roles, ['admin', 'reader', 'writer']);
});

test('a capability that only the server gives cannot be granted', async (t) => {
  const tailnet = await PolicyTailnet.start(t, undefined);
  for (const [capability, complaint] of [
    [DRIVE_SHARER, /capability name must not be in the tailscale\.com domain/],
    [FILE_SHARING, /capability name must have the form \{domain\}\/\{path\}/],
  ] as const) {
    const grants = [{ src: ['*'], dst: ['*'], app: { [capability]: [{}] } }];
    assert.match(await tailnet.refusedPolicy({ grants }), complaint);
  }
});

test('Taildrop: every node may share files, and knows which peers are its user’s', async (t) => {
  const tailnet = await PolicyTailnet.start(t, { acls: [accept(['*'], ['*:*'])] }, { each: 2 });
  const { self, peers } = tailnet.client('user1-1').netmap;
  assert.ok(ownCapabilities(tailnet, 'user1-1').includes(FILE_SHARING));
  // Clients send files to peers that have the same user as themselves.
  const own = [...peers.values()].filter((peer) => peer['User'] === self?.['User']);
  assert.deepEqual(
    own.map((peer) => peer['ID']),
    [tailnet.idOf('user1-2')],
  );
});

test('Taildrop can be switched off', async (t) => {
  const yaml = 'taildrop.enabled: false';
  const tailnet = await PolicyTailnet.start(t, undefined, { users: ['user1'], yaml });
  assert.ok(!ownCapabilities(tailnet, 'user1').includes(FILE_SHARING));
});

/** Names of the capabilities of each pair of nodes that has some, by `from to`. */
function granted(
  tailnet: PolicyTailnet,
  names: readonly string[],
): Readonly<Record<string, readonly string[]>> {
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to]));
  return Object.fromEntries(
    pairs.flatMap(([from = '', to = '']) => {
      const capabilities = Object.keys(tailnet.capabilities(from, to)).toSorted();
      return capabilities.length === 0 ? [] : [[`${from} ${to}`, capabilities]];
    }),
  );
}

/** What a node may do by its own map. */
function ownCapabilities(tailnet: PolicyTailnet, name: string): readonly string[] {
  return Object.keys(tailnet.client(name).netmap.self?.['CapMap'] ?? {});
}
