import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress } from '@malla/ip/address';
import { formatPrefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import fc from 'fast-check';
import { testNode, testUser } from '../testing/rows.ts';
import { differsForPolicy, policyNode, policyUser } from './policy-node.ts';

const EXIT = ['0.0.0.0/0', '::/0'];

/** What is known of a device that says this of itself. */
function postureOf(hostinfo: Hostinfo): Readonly<Record<string, unknown>> {
  return Object.fromEntries(policyNode(testNode(1, { hostinfo })).posture);
}

describe('a user as a policy looks at them', () => {
  test('has a name, an address and an identity, and no role', () => {
    const user = { ...testUser(3, 'ann'), email: 'ann@example.com', providerId: 'https://id/7' };
    assert.deepEqual(policyUser(user), {
      id: 3,
      name: 'ann',
      email: 'ann@example.com',
      providerId: 'https://id/7',
      role: undefined,
    });
  });
});

describe('a node as a policy looks at it', () => {
  test('has its owner, its tags and its addresses, IPv4 first', () => {
    const own = policyNode(testNode(9));
    assert.deepEqual([own.id, own.userId, own.tags], [9, 1, []]);
    assert.deepEqual(own.addresses.map(formatAddress), ['100.64.0.9', 'fd7a:115c:a1e0::9']);
    const tagged = policyNode(testNode(9, { userId: undefined, tags: ['tag:a'], ipv4: undefined }));
    assert.deepEqual([tagged.userId, tagged.tags], [undefined, ['tag:a']]);
    assert.deepEqual(tagged.addresses.map(formatAddress), ['fd7a:115c:a1e0::9']);
  });

  test('serves what is both announced and approved', () => {
    const node = policyNode(
      testNode(1, {
        hostinfo: { RoutableIPs: ['10.0.0.0/8', '192.0.2.0/24', 'fd00::/64'] },
        approvedRoutes: ['192.0.2.0/24', '198.51.100.0/24', 'fd00::/64'],
      }),
    );
    assert.deepEqual(node.announced.map(formatPrefix), ['10.0.0.0/8', '192.0.2.0/24', 'fd00::/64']);
    assert.deepEqual(node.routes.map(formatPrefix), ['192.0.2.0/24', 'fd00::/64']);
    assert.equal(node.exitNode, false);
  });

  test('is an exit node when it announces both families and both are approved', () => {
    for (const [announced, approved, isExit] of [
      [EXIT, EXIT, true],
      [EXIT.toReversed(), EXIT, true],
      [EXIT, ['0.0.0.0/0'], false],
      [['::/0'], EXIT, false],
      [EXIT, [], false],
    ] as const) {
      const node = testNode(1, {
        hostinfo: { RoutableIPs: [...announced, '10.0.0.0/8'] },
        approvedRoutes: ['10.0.0.0/8', ...approved],
      });
      const { exitNode, routes } = policyNode(node);
      assert.deepEqual([exitNode, routes.map(formatPrefix)], [isExit, ['10.0.0.0/8']]);
    }
  });

  test('has its system by the name that conditions use', () => {
    for (const [OS, name] of [
      ['linux', 'linux'],
      ['windows', 'windows'],
      ['macOS', 'macos'],
      ['iOS', 'ios'],
      ['tvOS', 'tvos'],
      ['android', 'android'],
      // Nothing that every object has.
      ['constructor', 'constructor'],
      ['__proto__', '__proto__'],
    ] as const) {
      assert.equal(policyNode(testNode(1, { hostinfo: { OS } })).posture.get('node:os'), name);
    }
  });

  test('has the version of its client without the build, and its release track', () => {
    for (const [IPNVersion, version, track] of [
      ['1.102.3', '1.102.3', 'stable'],
      ['1.102.3-t1234567-g89abcdef', '1.102.3', 'stable'],
      ['1.103.14-t1234567', '1.103.14', 'unstable'],
      ['2.0.0', '2.0.0', 'stable'],
    ] as const) {
      assert.deepEqual(postureOf({ IPNVersion }), {
        'node:tsVersion': version,
        'node:tsReleaseTrack': track,
      });
    }
    for (const IPNVersion of ['', '1.102', 'v1.102.3', 'long', 7, null]) {
      assert.deepEqual(postureOf({ IPNVersion }), {});
    }
  });

  test('has what its client says of its system and its keys, if that has the right type', () => {
    assert.deepEqual(postureOf({ OSVersion: '15.2', StateEncrypted: false }), {
      'node:osVersion': '15.2',
      'node:tsStateEncrypted': false,
    });
    assert.deepEqual(postureOf({ OS: '', OSVersion: 15, StateEncrypted: 'yes' }), {});
  });

  test('has what it was asked for, which counts for more', () => {
    const posture = new Map([
      ['node:tsAutoUpdate', true],
      ['node:osVersion', false],
    ]);
    const node = policyNode(testNode(1, { hostinfo: { OS: 'linux', OSVersion: '6' } }), posture);
    assert.deepEqual(Object.fromEntries(node.posture), {
      'node:os': 'linux',
      'node:osVersion': false,
      'node:tsAutoUpdate': true,
    });
  });
});

describe('what a policy must hear of', () => {
  test('is exactly what makes a node another for it', () => {
    let different = 0;
    fc.assert(
      fc.property(anyNode, replacements, (before, replaced) => {
        const after = { ...before, ...replaced };
        const differs = !isEqual(policyNode(before), policyNode(after));
        different += differs ? 1 : 0;
        assert.equal(differsForPolicy(before, after), differs);
        assert.equal(differsForPolicy(after, before), differs);
      }),
      { numRuns: 2_000 },
    );
    assert.ok(different > 200 && different < 1_800, `${different} of 2000 differ`);
  });

  test('is not what texts run together would hide', () => {
    for (const [one, other] of [
      [{ tags: ['tag:a,tag:b'] }, { tags: ['tag:a', 'tag:b'] }],
      [{ hostinfo: { OS: 'a,node:osVersion,b' } }, { hostinfo: { OS: 'a', OSVersion: 'b' } }],
    ] as const) {
      assert.ok(differsForPolicy(testNode(1, one), testNode(1, other)));
    }
  });
});

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

const routes = fc.subarray(['10.0.0.0/8', '192.0.2.0/24', ...EXIT]);

const hostinfo: fc.Arbitrary<Hostinfo> = fc.record(
  {
    OS: fc.constantFrom('linux', 'Linux', 'macOS', ''),
    OSVersion: fc.constantFrom('1', '2', 3),
    IPNVersion: fc.constantFrom('1.102.3', '1.102.3-tabc', '1.103.0', ''),
    StateEncrypted: fc.constantFrom(true, false, 'no'),
    RoutableIPs: routes,
    Hostname: fc.constantFrom('a', 'b'),
    NetInfo: fc.constant({ PreferredDERP: 1 }),
  },
  { requiredKeys: [] },
);

const owner = fc.oneof(
  fc.record({ userId: fc.constantFrom(1, 2), tags: fc.constant([]) }),
  fc.record({
    userId: fc.constant(undefined),
    tags: fc.subarray(['tag:a', 'tag:b'], { minLength: 1 }),
  }),
);

/** What makes another node of one, more or less. */
const replacements: fc.Arbitrary<Partial<Node>> = fc.oneof(
  owner,
  hostinfo.map((of) => ({ hostinfo: of })),
  routes.map((approvedRoutes) => ({ approvedRoutes })),
  fc.record({ hostinfo, approvedRoutes: routes }),
  fc.constantFrom<Partial<Node>>(
    {},
    { ipv4: undefined },
    { ipv4: '100.64.0.2' },
    { ipv6: undefined },
    { name: 'other' },
    { endpoints: ['192.0.2.1:41641'] },
    { homeDerp: 7 },
    { lastSeen: 5 },
    { expiry: 9 },
  ),
);

const anyNode = fc
  .tuple(owner, hostinfo, routes)
  .map(([own, of, approvedRoutes]) => testNode(1, { ...own, hostinfo: of, approvedRoutes }));
