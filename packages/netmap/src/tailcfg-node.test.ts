import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatKey } from '@malla/keys/key';
import { ClientNetmap, type Json, readMessage } from '@malla/testkit/client-netmap';
import fc from 'fast-check';
import { type Node, unknownNode } from './node.ts';
import {
  diffForPeers,
  encodePatch,
  encodePeer,
  encodeSelf,
  fqdn,
  NOTHING_GRANTED,
  PatchField,
  WHOLE_NODE,
} from './tailcfg-node.ts';

const NOW = Date.UTC(2026, 6, 1);
const NAMING = { baseDomain: 'tailnet.test' };
const ONLINE = { online: true, lastSeen: NOW - 1000 };

const NODE: Node = {
  ...unknownNode({
    id: 7,
    tailnet: 1,
    machineKey: formatKey('mkey', new Uint8Array(32).fill(1)),
    nodeKey: formatKey('nodekey', new Uint8Array(32).fill(2)),
    createdAt: Date.UTC(2026, 0, 1),
  }),
  discoKey: formatKey('discokey', new Uint8Array(32).fill(3)),
  userId: 5,
  hostname: 'Laptop',
  name: 'laptop',
  ipv4: '100.64.0.7',
  ipv6: 'fd7a:115c:a1e0::7',
  hostinfo: {
    OS: 'linux',
    OSVersion: '6.1',
    Hostname: 'Laptop',
    Services: [
      { Proto: 'tcp', Port: 22, Description: 'sshd' },
      { Proto: 'peerapi4', Port: 40_000 },
    ],
    sshHostKeys: ['ssh-ed25519 AAAA'],
    ShareeNode: true,
    NetInfo: { PreferredDERP: 901 },
  },
  endpoints: ['192.0.2.1:41641'],
  homeDerp: 901,
  capVersion: 142,
  expiry: Date.UTC(2027, 0, 1),
};

/** A node that has said nothing yet. */
const BARE: Node = {
  ...NODE,
  discoKey: undefined,
  hostinfo: {},
  hostname: '',
  endpoints: [],
  homeDerp: 0,
  capVersion: 0,
  expiry: undefined,
  ipv6: undefined,
};

function parse(json: string): Json {
  return JSON.parse(json) as Json;
}

function lastSeenOf(online: boolean): unknown {
  return parse(encodePeer(NODE, { online, lastSeen: NOW }, NAMING, NOW))['LastSeen'];
}

function diffOf(fields: Partial<Node>): number {
  return diffForPeers(NODE, { ...NODE, ...fields }, NOW);
}

describe('a node as its peers read it', () => {
  test('has every field that clients read, and of its host what peers need and a device may say of itself', () => {
    assert.deepEqual(parse(encodePeer(NODE, ONLINE, NAMING, NOW)), {
      ID: 7,
      StableID: '7',
      Name: 'laptop.tailnet.test.',
      User: 5,
      Key: NODE.nodeKey,
      KeyExpiry: '2027-01-01T00:00:00.000Z',
      Machine: NODE.machineKey,
      DiscoKey: NODE.discoKey,
      Addresses: ['100.64.0.7/32', 'fd7a:115c:a1e0::7/128'],
      AllowedIPs: ['100.64.0.7/32', 'fd7a:115c:a1e0::7/128'],
      Endpoints: ['192.0.2.1:41641'],
      HomeDERP: 901,
      Created: '2026-01-01T00:00:00.000Z',
      Cap: 142,
      Online: true,
      Hostinfo: {
        OS: 'linux',
        Hostname: 'Laptop',
        Services: [{ Proto: 'peerapi4', Port: 40_000 }],
        sshHostKeys: ['ssh-ed25519 AAAA'],
      },
    });
  });

  test('leaves out what it has not reported yet', () => {
    assert.deepEqual(parse(encodePeer(BARE, { online: false, lastSeen: undefined }, NAMING, NOW)), {
      ID: 7,
      StableID: '7',
      Name: 'laptop.tailnet.test.',
      User: 5,
      Key: NODE.nodeKey,
      Machine: NODE.machineKey,
      Addresses: ['100.64.0.7/32'],
      AllowedIPs: ['100.64.0.7/32'],
      Created: '2026-01-01T00:00:00.000Z',
      Cap: 0,
      Online: false,
      Hostinfo: { Hostname: '' },
    });
  });

  test('was last seen only while it is offline', () => {
    assert.equal(lastSeenOf(false), '2026-07-01T00:00:00.000Z');
    assert.equal(lastSeenOf(true), undefined);
  });

  test('is expired from the millisecond of its expiry', () => {
    const expired = (now: number): unknown =>
      parse(encodePeer({ ...NODE, expiry: NOW }, ONLINE, NAMING, now))['Expired'];
    assert.equal(expired(NOW - 1), undefined);
    assert.equal(expired(NOW), true);
  });

  test('belongs to the synthetic user when it is tagged', () => {
    const tagged = { ...NODE, userId: undefined, tags: ['tag:web'] };
    const { User, Tags } = parse(encodePeer(tagged, ONLINE, NAMING, NOW));
    assert.deepEqual([User, Tags], [2147455555, ['tag:web']]);
  });

  test('has a name that ends with a dot, with or without a base domain', () => {
    assert.equal(fqdn(NODE, NAMING), 'laptop.tailnet.test.');
    assert.equal(fqdn(NODE, { baseDomain: '' }), 'laptop.');
  });
});

describe('a node as it reads itself', () => {
  test('has its capabilities and is authorized', () => {
    const self = parse(
      encodeSelf(
        NODE,
        { ...NOTHING_GRANTED, capMap: { 'a.test/cap': null, limit: [5] } },
        NAMING,
        NOW,
      ),
    );
    assert.deepEqual(self['CapMap'], { 'a.test/cap': null, limit: [5] });
    assert.deepEqual(self['Hostinfo'], { OS: 'linux', Hostname: 'Laptop' });
    assert.equal(self['MachineAuthorized'], true);
  });
});

describe('a node that serves routes', () => {
  test('has them in AllowedIPs, and those that are not exit routes in PrimaryRoutes', () => {
    const granted = { ...NOTHING_GRANTED, routes: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] };
    for (const text of [
      encodePeer(NODE, ONLINE, NAMING, NOW, granted),
      encodeSelf(NODE, granted, NAMING, NOW),
    ]) {
      const { Addresses, AllowedIPs, PrimaryRoutes } = parse(text);
      assert.deepEqual(AllowedIPs, [...(Addresses as string[]), ...granted.routes]);
      assert.deepEqual(PrimaryRoutes, ['10.0.0.0/8']);
    }
  });

  test('serves none for its peers as long as its disco key is not known, and all of it from then on', () => {
    const granted = { ...NOTHING_GRANTED, routes: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] };
    const silent = { ...NODE, discoKey: undefined, approvedRoutes: granted.routes };
    const { Addresses, AllowedIPs, ...rest } = parse(
      encodePeer(silent, ONLINE, NAMING, NOW, granted),
    );
    assert.deepEqual(AllowedIPs, Addresses);
    assert.ok(!('PrimaryRoutes' in rest) && !('DiscoKey' in rest));
    const told = { ...silent, discoKey: NODE.discoKey };
    assert.equal(diffForPeers(silent, told, NOW), WHOLE_NODE);
    const plain = { ...silent, approvedRoutes: [] };
    assert.equal(diffForPeers(plain, { ...plain, discoKey: NODE.discoKey }, NOW), PatchField.disco);
  });
});

describe('a node whose IPv4 address is not told', () => {
  const granted = { ...NOTHING_GRANTED, ipv4: false };

  test('has no other address than that of IPv6', () => {
    for (const text of [
      encodePeer(NODE, ONLINE, NAMING, NOW, granted),
      encodeSelf(NODE, granted, NAMING, NOW),
    ]) {
      const { Addresses, AllowedIPs } = parse(text);
      assert.deepEqual([Addresses, AllowedIPs], [[`${NODE.ipv6}/128`], [`${NODE.ipv6}/128`]]);
    }
  });

  test('keeps it where it has no other', () => {
    const { Addresses } = parse(encodePeer(BARE, ONLINE, NAMING, NOW, granted));
    assert.deepEqual(Addresses, [`${NODE.ipv4}/32`]);
  });
});

describe('what changed of a node', () => {
  test('is nothing where peers would see no difference', () => {
    const after: Node = {
      ...NODE,
      lastSeen: NOW,
      nameIsFixed: true,
      registerMethod: 'authkey',
      hostinfo: { ...NODE.hostinfo, OSVersion: '6.2', NetInfo: { PreferredDERP: 2 } },
    };
    assert.equal(diffForPeers(NODE, after, NOW), 0);
  });

  test('is a patch for what a patch can say', () => {
    assert.equal(diffOf({ endpoints: ['192.0.2.2:1'] }), PatchField.endpoints);
    assert.equal(diffOf({ homeDerp: 1 }), PatchField.derp);
    assert.equal(diffOf({ capVersion: 1 }), PatchField.cap);
    assert.equal(diffOf({ expiry: undefined }), PatchField.expiry);
    assert.equal(diffOf({ expiry: NOW + 1, homeDerp: 1 }), PatchField.expiry | PatchField.derp);
  });

  test('is the whole node where a patch would say "unchanged"', () => {
    for (const fields of [
      { endpoints: [] },
      { homeDerp: 0 },
      { discoKey: undefined },
      { capVersion: 0 },
      { expiry: NOW },
      { name: 'other' },
      { userId: undefined, tags: ['tag:a'] },
      { hostinfo: {} },
    ]) {
      assert.equal(diffOf(fields), WHOLE_NODE, JSON.stringify(fields));
    }
  });

  test('applied to what a peer believed is what is true', () => {
    fc.assert(
      fc.property(node(), node(), fc.boolean(), fc.boolean(), (before, after, was, is) => {
        const netmap = new ClientNetmap();
        const then = { online: was, lastSeen: NOW - 5000 };
        const now = { online: is, lastSeen: NOW };
        netmap.apply(
          readMessage({
            Node: { ID: 1, Key: NODE.nodeKey, Addresses: [] },
            UserProfiles: [{ ID: 5 }, { ID: 6 }],
            PeersChanged: [parse(encodePeer(before, then, NAMING, NOW))],
          }),
        );
        const fields = diffForPeers(before, after, NOW) | PatchField.online;
        const whole = parse(encodePeer(after, now, NAMING, NOW));
        netmap.apply(
          readMessage(
            fields & WHOLE_NODE
              ? { PeersChanged: [whole] }
              : { PeersChangedPatch: [parse(encodePatch(after, now, fields))] },
          ),
        );
        assert.deepEqual(netmap.peers.get(7), whole);
      }),
    );
  });
});

/** One of few nodes, so that two of them often differ in few fields. */
function node(): fc.Arbitrary<Node> {
  const disco = [
    undefined,
    ...[1, 2].map((n) => formatKey('discokey', new Uint8Array(32).fill(n))),
  ];
  return fc
    .record({
      endpoints: fc.constantFrom([], ['192.0.2.1:1'], ['192.0.2.1:1', '[::1]:2']),
      homeDerp: fc.constantFrom(0, 1, 901),
      discoKey: fc.constantFrom(...disco),
      capVersion: fc.constantFrom(0, 113, 142),
      expiry: fc.constantFrom(undefined, NOW - 1, NOW, NOW + 1, 8.64e15),
      userId: fc.constantFrom(5, 5, 5, 6),
      ipv6: fc.constantFrom('fd7a:115c:a1e0::7', 'fd7a:115c:a1e0::7', undefined),
      hostinfo: fc.constantFrom(NODE.hostinfo, NODE.hostinfo, {}),
    })
    .map((fields) => ({ ...NODE, ...fields }));
}
