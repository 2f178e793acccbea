import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { createTailnet } from '../testing/rows.ts';
import {
  announcedPrefixes,
  approveAutomatically,
  availableRoutes,
  mayBeApproved,
} from './route-approval.ts';

describe('what a client offers', () => {
  test('is in order, and what is no network is left out', () => {
    const [node] = nodesOf({ offers: ['10.2.0.0/16', 'nonsense', '::/0', '10.1.0.0/16'] });
    assert.ok(node);
    assert.deepEqual(availableRoutes(node), ['10.1.0.0/16', '10.2.0.0/16', '::/0']);
    assert.deepEqual(announcedPrefixes(node).map(formatPrefix), availableRoutes(node));
  });
});

describe('what a policy approves', () => {
  test('is added to what was approved, in order', () => {
    const [node] = approve(
      { offers: ['10.0.0.0/24', '10.2.0.0/24'], approvedRoutes: ['10.1.0.0/24'] },
      ['10.2.0.0/24', '10.0.0.0/24'],
    );
    assert.deepEqual(node?.approvedRoutes, ['10.0.0.0/24', '10.1.0.0/24', '10.2.0.0/24']);
  });

  test('is never taken away, and nothing is stored where nothing is added', () => {
    const tailnet = tailnetOf({ offers: ['10.0.0.0/24'], approvedRoutes: ['10.0.0.0/24'] });
    for (const approved of [[], prefixes('10.0.0.0/24')]) {
      const { changes, answer } = approveAutomatically(tailnet.state, [1], () => approved);
      assert.deepEqual([changes, answer], [[], []]);
    }
  });

  test('counts only while the client offers it', () => {
    assert.deepEqual(approve({ offers: ['10.0.0.0/24'] }, ['10.0.0.0/8', '10.9.0.0/24']), []);
  });

  test('makes an exit node of both default routes or of none', () => {
    const offers = ['0.0.0.0/0', '::/0'];
    const [node] = approve({ offers }, ['::/0']);
    assert.deepEqual(node?.approvedRoutes, offers);
  });

  test('is asked anew when the offer, the owner or the tags change, and for nothing else', () => {
    const [node] = nodesOf({ offers: ['10.0.0.0/24'] });
    assert.ok(node);
    assert.equal(mayBeApproved(undefined, node), true);
    for (const change of [
      { hostinfo: { RoutableIPs: ['10.0.0.0/24', '10.1.0.0/24'] } },
      { userId: 2 },
      { tags: ['tag:router'], userId: undefined },
    ]) {
      assert.equal(mayBeApproved(node, { ...node, ...change }), true);
    }
    for (const change of [
      { approvedRoutes: ['10.0.0.0/24'] },
      { endpoints: ['192.0.2.1:1'] },
      { hostinfo: { RoutableIPs: ['10.0.0.0/24'], OS: 'linux' } },
    ]) {
      assert.equal(mayBeApproved(node, { ...node, ...change }), false);
    }
  });

  test('is asked only of nodes that are there and offer something', () => {
    const { state } = tailnetOf({ offers: [] }, { offers: ['10.0.0.0/24'] });
    const asked: number[] = [];
    approveAutomatically(state, [1, 2, 3], ({ id }) => {
      asked.push(id);
      return [];
    });
    assert.deepEqual(asked, [2]);
  });
});

interface Given extends Partial<Node> {
  readonly offers: readonly string[];
}

function tailnetOf(...nodes: readonly Given[]): ReturnType<typeof createTailnet> {
  return createTailnet({
    users: ['ann'],
    nodes: nodes.map(({ offers, ...node }) => ({ ...node, hostinfo: { RoutableIPs: offers } })),
  });
}

function nodesOf(...nodes: readonly Given[]): readonly Node[] {
  return [...tailnetOf(...nodes).state.nodes()];
}

/** The nodes that got more, of a tailnet with this one node. */
function approve(node: Given, byPolicy: readonly string[]): readonly Node[] {
  return tailnetOf(node).run((state) =>
    approveAutomatically(state, [1], () => prefixes(...byPolicy)),
  );
}

function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => {
    const parsed = parsePrefix(text);
    assert.ok(parsed.ok, text);
    return parsed.value;
  });
}
