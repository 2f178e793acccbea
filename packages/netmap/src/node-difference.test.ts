import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatKey } from '@malla/keys/key';
import { type Node, unknownNode } from './node.ts';
import { differenceOf, Differs } from './node-difference.ts';

const NODE: Node = {
  ...unknownNode({
    id: 1,
    tailnet: 1,
    machineKey: formatKey('mkey', new Uint8Array(32)),
    nodeKey: formatKey('nodekey', new Uint8Array(32)),
    createdAt: 0,
  }),
  tags: ['tag:a', 'tag:b'],
  endpoints: ['192.0.2.1:1'],
  approvedRoutes: ['10.0.0.0/8'],
  hostinfo: { OS: 'linux', RoutableIPs: ['10.0.0.0/8'] },
};
const OTHER = new Uint8Array(32).fill(9);

describe('the difference of two versions of a node', () => {
  const { hostinfo, announced } = Differs;
  const one: readonly (readonly [Partial<Node>, number])[] = [
    [{ nodeKey: formatKey('nodekey', OTHER) }, Differs.key],
    [{ machineKey: formatKey('mkey', OTHER) }, Differs.key],
    [{ discoKey: formatKey('discokey', OTHER) }, Differs.discoKey],
    [{ userId: 7 }, Differs.owner],
    [{ tags: ['tag:a'] }, Differs.owner],
    [{ hostname: 'x' }, Differs.hostname],
    [{ name: 'x' }, Differs.name],
    [{ ipv4: '100.64.0.1' }, Differs.addresses],
    [{ ipv6: 'fd7a:115c:a1e0::1' }, Differs.addresses],
    [{ hostinfo: { OS: 'plan9', RoutableIPs: ['10.0.0.0/8'] } }, hostinfo],
    [{ hostinfo: { OS: 'linux', RoutableIPs: ['10.0.0.0/9'] } }, hostinfo | announced],
    [{ hostinfo: { OS: 'linux' } }, hostinfo | announced],
    [{ approvedRoutes: [] }, Differs.approvedRoutes],
    [{ endpoints: ['192.0.2.1:2'] }, Differs.endpoints],
    [{ homeDerp: 1 }, Differs.homeDerp],
    [{ capVersion: 142 }, Differs.capVersion],
    [{ expiry: 1 }, Differs.expiry],
  ];
  for (const [fields, bits] of one) {
    test(`in ${JSON.stringify(fields)} is its bits, and no other`, () => {
      assert.equal(differenceOf(NODE, { ...NODE, ...fields }), bits);
    });
  }

  test('is nothing for the same row, for equal lists, and for what only the server keeps', () => {
    assert.equal(differenceOf(NODE, NODE), 0);
    const same = { tags: ['tag:a', 'tag:b'], endpoints: ['192.0.2.1:1'], lastSeen: 9 };
    assert.equal(differenceOf(NODE, { ...NODE, ...same, nameIsFixed: true }), 0);
  });

  test('is that of the two asked for, also when one was compared with another before', () => {
    const after = { ...NODE, name: 'x' };
    assert.equal(differenceOf(NODE, after), Differs.name);
    assert.equal(differenceOf({ ...NODE, homeDerp: 9 }, after), Differs.name | Differs.homeDerp);
    assert.equal(differenceOf(NODE, after), Differs.name);
  });
});
