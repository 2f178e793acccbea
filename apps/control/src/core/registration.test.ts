import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import { formatKey } from '@malla/keys/key';
import { createTailnet, refusal, type TestTailnet } from '../testing/rows.ts';
import type { AddressPools } from './addresses.ts';
import { createPreAuthKey, expirePreAuthKey, type NewPreAuthKey } from './preauth-keys.ts';
import {
  asksForTags,
  type Device,
  registerForUser,
  type RegistrationRules,
  registerWithAuthKey,
  shortenExpiry,
} from './registration.ts';
import type { Node } from '@malla/netmap/node';
import { setApprovedRoutes, setExpiry, setTags } from './nodes.ts';
import { NO_TAG_POLICY, type TagPolicy } from './tags.ts';

const HOUR_MS = 3_600_000;
const RULES: RegistrationRules = {
  addresses: {
    v4: prefix('100.64.0.0/10'),
    v6: prefix('fd7a:115c:a1e0::/48'),
    allocation: 'sequential',
  },
  nodeExpiryMs: 0,
  maxNodesPerUser: 0,
  tags: NO_TAG_POLICY,
  isRecord: () => false,
};
/** User 1 owns tag:a and tag:b. */
const OWNED: TagPolicy = {
  isDefined: (tag) => /^tag:[abc]$/.test(tag),
  owns: (userId, tag) => userId === 1 && /^tag:[ab]$/.test(tag),
};

/** With a pool for user 1 and tag:a. */
function rulesWithPool(text: string): RegistrationRules {
  const pool = [prefix(text)];
  const pools: AddressPools = {
    poolFor: ({ userId, tags }) => (userId === 1 || tags.includes('tag:a') ? pool : []),
    all: () => pool,
  };
  return { ...RULES, addresses: { ...RULES.addresses, pools } };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

/** A device by number: its machine key is that, its node key may be another. */
function device(machine: number, fields: Partial<Device> & { readonly key?: number } = {}): Device {
  const { key = machine, ...rest } = fields;
  return {
    machineKey: formatKey('mkey', new Uint8Array(32).fill(machine)),
    nodeKey: nodeKey(key),
    oldNodeKey: undefined,
    hostinfo: { Hostname: `host-${machine}` },
    capVersion: 142,
    ephemeral: false,
    expiry: undefined,
    ...rest,
  };
}

/** One that asks for tags. */
function asking(machine: number, ...tags: string[]): Device {
  return device(machine, { hostinfo: { Hostname: 'x', RequestTags: tags } });
}

function nodeKey(n: number): Device['nodeKey'] {
  return formatKey('nodekey', new Uint8Array(32).fill(n));
}

function authKey(tailnet: TestTailnet, fields: Partial<NewPreAuthKey> = {}): string {
  const wanted = {
    userId: 1,
    tags: [],
    reusable: false,
    ephemeral: false,
    expiration: undefined,
    description: '',
  };
  return tailnet.run((state, context) => createPreAuthKey(state, { ...wanted, ...fields }, context))
    .text;
}

function join(tailnet: TestTailnet, who: Device, key: string, rules = RULES): Node {
  return tailnet.run((state, context) => registerWithAuthKey(state, who, key, rules, context));
}

function joinTagged(tailnet: TestTailnet, who: Device, tags: string[]): Node {
  return join(tailnet, who, authKey(tailnet, { tags }));
}

function login(tailnet: TestTailnet, who: Device, userId = 1, rules = RULES): Node {
  return tailnet.run((state, context) =>
    registerForUser(state, who, userId, 'cli', rules, context),
  );
}

describe('registration', () => {
  test('a device with an auth key becomes a node of the key’s user, with addresses and a name', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const node = join(tailnet, device(1), authKey(tailnet));
    assert.equal(node.userId, 1);
    assert.equal(node.name, 'host-1');
    assert.equal(node.ipv4, '100.64.0.1');
    assert.equal(node.ipv6, 'fd7a:115c:a1e0::1');
    assert.equal(node.registerMethod, 'authkey');
    assert.equal(node.expiry, undefined);
  });

  test('a single-use key lets in one device, and the refusal of the next says why', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet);
    join(tailnet, device(1), key);
    assert.equal(refusal(() => join(tailnet, device(2), key)).message, 'authkey already used');
    assert.equal(tailnet.state.nodeCount(), 1);
  });

  test('the node that used a key may send it again', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet);
    const node = join(tailnet, device(1), key);
    assert.equal(join(tailnet, device(1), key).id, node.id);
  });

  test('a device that begins two logins with one single-use key is let in by both', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet);
    const first = join(tailnet, device(1), key);
    const second = join(tailnet, device(1, { key: 2, oldNodeKey: nodeKey(9) }), key);
    assert.equal(second.id, first.id);
    assert.equal(second.nodeKey, nodeKey(2));
  });

  test('a repeated login with a used key leaves the end of the node’s own key as it is', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, nodeExpiryMs: HOUR_MS };
    const key = authKey(tailnet);
    const { expiry } = join(tailnet, device(1), key, rules);
    tailnet.now += HOUR_MS / 2;
    assert.equal(join(tailnet, device(1, { key: 2 }), key, rules).expiry, expiry);
    for (const wanted of ['never', tailnet.now + 9 * HOUR_MS] as const) {
      tailnet.run((state, context) => setExpiry(state, 1, wanted, context));
      const { expiry: kept } = join(tailnet, device(1, { key: 3 }), key, rules);
      assert.equal(kept, wanted === 'never' ? undefined : wanted);
    }
  });

  test('a device that has logged out, or expired, cannot come back with its used key', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet);
    const node = join(tailnet, device(1), key);
    tailnet.run((_state, context) => shortenExpiry(node, 123_000, context));
    assert.equal(
      refusal(() => join(tailnet, device(1, { key: 2 }), key)).message,
      'authkey already used',
    );
  });

  test('a reusable key lets in many devices', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet, { reusable: true });
    for (let n = 1; n <= 5; n++) join(tailnet, device(n), key);
    assert.equal(tailnet.state.nodeCount(), 5);
  });

  test('a key that has expired or was made to, and an unknown one, are refused in headscale’s words', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const expired = authKey(tailnet, { expiration: tailnet.now });
    assert.equal(refusal(() => join(tailnet, device(1), expired)).message, 'authkey expired');
    const revoked = authKey(tailnet);
    tailnet.run((state, context) => expirePreAuthKey(state, 2, context));
    assert.equal(refusal(() => join(tailnet, device(1), revoked)).message, 'authkey expired');
    assert.equal(
      refusal(() => join(tailnet, device(1), 'nonsense')).message,
      'invalid pre auth key',
    );
  });

  test('a key that tags makes a node without an owner that never expires', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, nodeExpiryMs: HOUR_MS };
    const node = join(tailnet, device(1), authKey(tailnet, { tags: ['tag:web', 'tag:db'] }), rules);
    assert.equal(node.userId, undefined);
    assert.deepEqual(node.tags, ['tag:db', 'tag:web']);
    assert.equal(node.expiry, undefined);
  });

  test('an ephemeral key makes an ephemeral node', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    assert.equal(join(tailnet, device(1), authKey(tailnet, { ephemeral: true })).ephemeral, true);
  });

  test('a device that asks for tags is refused with their names', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const greedy = asking(1, 'tag:a', 'tag:b');
    const { message } = refusal(() => join(tailnet, greedy, authKey(tailnet)));
    assert.match(message, /^requested tags \[tag:a, tag:b\] are invalid or not permitted: /);
    const refused = refusal(() => login(tailnet, greedy));
    assert.equal(refused.code, 'register.refused');
    assert.match(refused.message, /: no policy names this user as an owner in tagOwners$/);
  });

  test('a device gets the tags that it asks for where its user owns them, and then has no owner', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const rules = { ...RULES, tags: OWNED };
    const node = login(tailnet, asking(1, 'tag:b', 'tag:a', 'tag:b'), 1, rules);
    assert.deepEqual([node.tags, node.userId], [['tag:a', 'tag:b'], undefined]);
    for (const [user, tags] of [
      [1, ['tag:c']],
      [1, ['tag:a', 'tag:nonexistent']],
      [2, ['tag:a']],
    ] as const) {
      const { message } = refusal(() => login(tailnet, asking(1, ...tags), user, rules));
      assert.match(message, /are invalid or not permitted/);
      assert.ok(!message.includes('tag:a,'), message);
    }
  });

  test('another login with fewer tags takes tags away, and one without any makes the user the owner', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, tags: OWNED };
    const again = (key: number, tags: string[]): Node =>
      login(
        tailnet,
        device(1, {
          key,
          oldNodeKey: nodeKey(key - 1),
          hostinfo: { Hostname: 'x', RequestTags: tags },
        }),
        1,
        rules,
      );
    const first = again(2, ['tag:a', 'tag:b']);
    const second = again(3, ['tag:b']);
    assert.deepEqual([second.id, second.tags], [first.id, ['tag:b']]);
    const third = again(4, []);
    assert.deepEqual([third.id, third.tags, third.userId], [first.id, [], 1]);
  });

  test('a device with a tagged key may ask for tags of the key, and for no others', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, tags: OWNED };
    const key = authKey(tailnet, { tags: ['tag:a', 'tag:c'], reusable: true });
    assert.deepEqual(join(tailnet, asking(1, 'tag:a'), key, rules).tags, ['tag:a', 'tag:c']);
    assert.match(
      refusal(() => join(tailnet, asking(2, 'tag:b'), key, rules)).message,
      /^requested tags \[tag:b\]/,
    );
  });

  test('tags that an administrator gave outlive another login with the same key', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet, { tags: ['tag:a'], reusable: true });
    const { id } = join(tailnet, device(1), key);
    tailnet.run((state) => setTags(state, id, ['tag:c'], OWNED));
    const again = join(tailnet, device(1, { key: 2, oldNodeKey: nodeKey(1) }), key);
    assert.deepEqual([again.id, again.tags], [id, ['tag:c']]);
  });

  test('logging in again as the same user keeps id, addresses, name and routes, and rotates the node key', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const before = login(tailnet, device(1));
    const after = login(tailnet, device(1, { key: 9, oldNodeKey: nodeKey(1) }));
    assert.equal(after.id, before.id);
    assert.equal(after.ipv4, before.ipv4);
    assert.equal(after.name, before.name);
    assert.equal(after.nodeKey, nodeKey(9));
    assert.equal(tailnet.state.nodeByKey(nodeKey(1)), undefined);
  });

  test('a new node gets its address from the pool of its owner or tags, and keeps it', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const before = rulesWithPool('100.81.0.0/16');
    assert.equal(login(tailnet, device(1), 1, before).ipv4, '100.81.0.1');
    assert.equal(login(tailnet, device(2), 2, before).ipv4, '100.64.0.1');
    const tagged = authKey(tailnet, { userId: 2, tags: ['tag:a'] });
    assert.equal(join(tailnet, device(3), tagged, before).ipv4, '100.81.0.2');
    const after = rulesWithPool('100.82.0.0/16');
    const again = device(1, { key: 9, oldNodeKey: nodeKey(1) });
    assert.equal(login(tailnet, again, 1, after).ipv4, '100.81.0.1');
    assert.equal(login(tailnet, device(4), 1, after).ipv4, '100.82.0.1');
  });

  test('one machine may be a node of each of two users', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const first = login(tailnet, device(1), 1);
    const second = login(tailnet, device(1, { key: 2, oldNodeKey: nodeKey(1) }), 2);
    assert.notEqual(first.id, second.id);
    assert.deepEqual([first.name, second.name], ['host-1', 'host-1-1']);
    assert.notEqual(first.ipv4, second.ipv4);
  });

  test('a tagged key turns the machine’s node into a tagged one, and a login turns it back', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const owned = login(tailnet, device(1));
    const tagged = join(
      tailnet,
      device(1, { key: 2, oldNodeKey: nodeKey(1) }),
      authKey(tailnet, { tags: ['tag:web'] }),
    );
    assert.equal(tagged.id, owned.id);
    assert.equal(tagged.userId, undefined);
    const again = login(tailnet, device(1, { key: 3, oldNodeKey: nodeKey(2) }));
    assert.equal(again.id, owned.id);
    assert.deepEqual(again.tags, []);
  });

  for (const [what, become, keeps] of [
    ['a user', (tailnet: TestTailnet, who: Device) => login(tailnet, who, 2), false],
    [
      'other tags',
      (tailnet: TestTailnet, who: Device) => joinTagged(tailnet, who, ['tag:b']),
      false,
    ],
    [
      'fewer tags',
      (tailnet: TestTailnet, who: Device) => joinTagged(tailnet, who, ['tag:web']),
      false,
    ],
    [
      'more tags',
      (tailnet: TestTailnet, who: Device) =>
        joinTagged(tailnet, who, ['tag:a', 'tag:b', 'tag:web']),
      true,
    ],
    [
      'what it was',
      (tailnet: TestTailnet, who: Device) => joinTagged(tailnet, who, ['tag:a', 'tag:web']),
      true,
    ],
  ] as const) {
    test(`a tagged node that becomes ${what} ${keeps ? 'keeps' : 'loses'} the routes that were approved for it`, () => {
      const tailnet = createTailnet({ users: ['alice', 'bob'] });
      const { id } = joinTagged(tailnet, device(1), ['tag:a', 'tag:web']);
      tailnet.run((state) => setApprovedRoutes(state, id, ['10.0.0.0/8', '0.0.0.0/0']));
      const after = become(tailnet, device(1, { key: 2, oldNodeKey: nodeKey(1) }));
      assert.equal(after.id, id);
      assert.deepEqual(after.approvedRoutes, keeps ? ['0.0.0.0/0', '10.0.0.0/8', '::/0'] : []);
    });
  }

  test('a user’s node keeps its routes while it is that user’s, and loses them with tags', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const { id } = login(tailnet, device(1));
    tailnet.run((state) => setApprovedRoutes(state, id, ['10.0.0.0/8']));
    const again = login(tailnet, device(1, { key: 2, oldNodeKey: nodeKey(1) }));
    assert.deepEqual(again.approvedRoutes, ['10.0.0.0/8']);
    const after = joinTagged(tailnet, device(1, { key: 3, oldNodeKey: nodeKey(2) }), ['tag:web']);
    assert.deepEqual([after.id, after.approvedRoutes], [id, []]);
  });

  test('a node with another owner leaves the pool that is not the new one’s, and only then its address', () => {
    const rules = rulesWithPool('100.81.0.0/16');
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const key = (tag: string): string => authKey(tailnet, { tags: [tag] });
    const machine = (nth: number): Device => device(1, { key: nth, oldNodeKey: nodeKey(nth - 1) });
    const pooled = join(tailnet, device(1), key('tag:a'), rules);
    assert.equal(pooled.ipv4, '100.81.0.1');
    const others = login(tailnet, machine(2), 2, rules);
    assert.deepEqual([others.id, others.ipv4, others.ipv6], [pooled.id, '100.64.0.1', pooled.ipv6]);
    assert.equal(join(tailnet, machine(3), key('tag:b'), rules).ipv4, '100.64.0.1');
    assert.equal(
      join(tailnet, machine(4), key('tag:a'), rules).ipv4,
      '100.64.0.1',
      'nobody’s pool',
    );
    assert.equal(tailnet.state.addressTaken('100.81.0.1'), false);
    const alices = join(tailnet, device(5), key('tag:a'), rules);
    const moved = login(tailnet, device(5, { key: 6, oldNodeKey: nodeKey(5) }), 1, rules);
    assert.deepEqual([moved.id, moved.ipv4], [alices.id, alices.ipv4], 'the pool is of both');
  });

  test('a tagged key for a machine with several nodes and none named is refused', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    login(tailnet, device(1), 1);
    login(tailnet, device(1, { key: 2 }), 2);
    const key = authKey(tailnet, { tags: ['tag:web'] });
    assert.equal(
      refusal(() => join(tailnet, device(1, { key: 3 }), key)).code,
      'node.ambiguous-owner',
    );
  });

  test('a user has as many nodes as may be, whatever way they come; those there are log in as ever', () => {
    const rules = { ...RULES, maxNodesPerUser: 2 };
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const key = authKey(tailnet, { reusable: true });
    join(tailnet, device(1), key, rules);
    login(tailnet, device(2), 1, rules);
    const refused = [
      () => join(tailnet, device(3), key, rules),
      () => login(tailnet, device(3), 1, rules),
    ];
    const tagged = join(tailnet, device(4), authKey(tailnet, { tags: ['tag:a'] }), rules);
    refused.push(() => login(tailnet, device(4), 1, rules));
    for (const each of refused) assert.equal(refusal(each).code, 'node.limit');
    assert.equal(tailnet.state.node(tagged.id)?.userId, undefined);
    login(tailnet, device(2, { key: 9 }), 1, rules);
    login(tailnet, device(3), 2, rules);
    login(tailnet, device(5), 1, { ...rules, maxNodesPerUser: 0 });
    assert.equal(tailnet.state.nodeCountOfUser(1), 3);
  });

  test('a node key that another machine holds is refused', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    login(tailnet, device(1));
    assert.equal(refusal(() => login(tailnet, device(2, { key: 1 }))).code, 'node.key-in-use');
  });

  test('a machine that logs in as another user with the node key of the first one is let in, and logged out there', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const first = login(tailnet, device(1), 1);
    tailnet.run((_state, context) => shortenExpiry(first, context.now, context));
    tailnet.now += HOUR_MS;
    const second = join(tailnet, device(1), authKey(tailnet, { userId: 2 }));
    assert.notEqual(second.id, first.id);
    assert.equal(second.nodeKey, first.nodeKey);
    const left = tailnet.state.node(first.id);
    assert.equal(left?.expiry, tailnet.now - HOUR_MS, 'since it logged out');
    assert.notEqual(left?.nodeKey, first.nodeKey);
    assert.equal(tailnet.state.nodeByKey(first.nodeKey)?.id, second.id);
    // And back, which ends the second one's login.
    const back = login(tailnet, device(1), 1);
    assert.equal(back.id, first.id);
    assert.equal(tailnet.state.node(second.id)?.expiry, tailnet.now);
    assert.equal(tailnet.state.nodeByKey(first.nodeKey)?.id, first.id);
  });

  test('its former node is removed if it was ephemeral', () => {
    const tailnet = createTailnet({ users: ['alice', 'bob'] });
    const first = join(tailnet, device(1), authKey(tailnet, { ephemeral: true }));
    login(tailnet, device(1), 2);
    assert.equal(tailnet.state.node(first.id), undefined);
  });

  test('duplicate hostnames get names of their own', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const named = (machine: number): Node =>
      login(tailnet, device(machine, { hostinfo: { Hostname: 'My Laptop!' } }));
    assert.deepEqual(
      [1, 2, 3].map((machine) => named(machine).name),
      ['my-laptop', 'my-laptop-1', 'my-laptop-2'],
    );
  });

  test('a node that an administrator tagged stays so when it sends the key of its user again', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const key = authKey(tailnet, { reusable: true });
    const { id } = join(tailnet, device(1), key);
    tailnet.run((state) => setTags(state, id, ['tag:c'], OWNED));
    const again = join(tailnet, device(1), key);
    assert.deepEqual([again.id, again.tags, again.userId], [id, ['tag:c'], undefined]);
    const other = join(tailnet, device(1), authKey(tailnet));
    assert.deepEqual([other.id, other.tags, other.userId], [id, [], 1]);
  });

  test('a device asks for tags by those that it has not, and did not ask for before', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, tags: OWNED };
    const node = login(tailnet, asking(1, 'tag:a'), 1, rules);
    const tagged = tailnet.run((state) => setTags(state, node.id, ['tag:c'], OWNED));
    const asks = (...tags: string[]): boolean => asksForTags(tagged, asking(1, ...tags));
    assert.equal(asks('tag:b'), true);
    assert.equal(asks('tag:a', 'tag:c'), true);
    assert.equal(asks('tag:a'), false, 'the administrator gave it another since');
    assert.equal(asks('tag:c', 'tag:c'), false);
    assert.equal(asks(), false);
  });

  test('a device that sends its key again gets no other tags by it, and is told so', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    for (const [machine, fields] of [
      [1, { tags: ['tag:a'] }],
      [2, { reusable: true }],
    ] as const) {
      const key = authKey(tailnet, fields);
      const { tags } = join(tailnet, device(machine), key);
      const wanted = asking(machine, ...tags, 'tag:b');
      const { code, message } = refusal(() => join(tailnet, wanted, key));
      assert.equal(code, 'register.refused');
      assert.match(message, /^requested tags \[tag:b\] /);
      assert.deepEqual(join(tailnet, device(machine), key).tags, tags);
    }
  });

  test('a new hostname at login renames the node, unless an administrator named it', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    login(tailnet, device(1));
    const hostinfo = { Hostname: 'other' };
    const renamed = login(tailnet, device(1, { hostinfo }));
    assert.equal(renamed.name, 'other');
    tailnet.run(() => ({
      changes: [
        {
          table: 'node',
          id: 1,
          before: renamed,
          after: { ...renamed, name: 'fixed', nameIsFixed: true },
        },
      ],
      answer: undefined,
      durability: 'now',
    }));
    assert.equal(login(tailnet, device(1, { hostinfo: { Hostname: 'third' } })).name, 'fixed');
  });

  test('the configured expiry counts from each login, and a client may ask for less, never for more', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = { ...RULES, nodeExpiryMs: HOUR_MS };
    assert.equal(login(tailnet, device(1), 1, rules).expiry, tailnet.now + HOUR_MS);
    tailnet.now += 5 * HOUR_MS;
    assert.equal(login(tailnet, device(1), 1, rules).expiry, tailnet.now + HOUR_MS);
    const asked = (expiry: number, by = rules): number | undefined =>
      login(tailnet, device(1, { expiry }), 1, by).expiry;
    assert.equal(asked(tailnet.now + HOUR_MS / 2), tailnet.now + HOUR_MS / 2);
    for (const expiry of [tailnet.now + HOUR_MS + 1, Date.parse('9999-12-31T23:59:59Z')]) {
      assert.equal(asked(expiry), tailnet.now + HOUR_MS);
      const key = authKey(tailnet);
      assert.equal(join(tailnet, device(2, { expiry }), key, rules).expiry, tailnet.now + HOUR_MS);
      assert.equal(asked(expiry, { ...rules, nodeExpiryMs: 0 }), expiry, 'sooner than never');
    }
  });

  test('when the addresses are used up the refusal says so, and a key is not spent', () => {
    const tailnet = createTailnet({ users: ['alice'] });
    const rules = {
      ...RULES,
      addresses: { v4: prefix('100.64.0.0/30'), v6: undefined, allocation: 'sequential' as const },
    };
    const key = authKey(tailnet, { reusable: true });
    join(tailnet, device(1), key, rules);
    join(tailnet, device(2), key, rules);
    const last = authKey(tailnet);
    const refused = refusal(() => join(tailnet, device(3), last, rules));
    assert.equal(refused.code, 'address.exhausted');
    assert.match(refused.message, /100\.64\.0\.0\/30/);
    assert.equal([...tailnet.state.preAuthKeys()].at(-1)?.used, false);
  });
});

describe('a client that shortens its key', () => {
  test('logs out with a time in the past, and is expired from now on', () => {
    const tailnet = createTailnet({ nodes: [{}] });
    tailnet.run((state, context) => shortenExpiry(nodeOf(state.node(1)), 123_000, context));
    assert.equal(tailnet.state.node(1)?.expiry, tailnet.now);
  });

  test('is deleted when it logs out and is ephemeral', () => {
    const tailnet = createTailnet({ nodes: [{ ephemeral: true }] });
    tailnet.run((state, context) => shortenExpiry(nodeOf(state.node(1)), 123_000, context));
    assert.equal(tailnet.state.node(1), undefined);
  });

  test('may make it end sooner, never later', () => {
    const tailnet = createTailnet({ nodes: [{ expiry: 5_000_000 }] });
    const ask = (expiry: number): number | undefined => {
      tailnet.run((state, context) => shortenExpiry(nodeOf(state.node(1)), expiry, context));
      return tailnet.state.node(1)?.expiry;
    };
    assert.equal(ask(6_000_000), 5_000_000);
    assert.equal(ask(4_000_000), 4_000_000);
  });
});

function nodeOf(node: Node | undefined): Node {
  assert.ok(node);
  return node;
}
