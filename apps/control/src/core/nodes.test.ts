import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { createTailnet, refusal } from '../testing/rows.ts';
import { deleteNode, renameNode, setApprovedRoutes, setExpiry, setTags } from './nodes.ts';
import { NO_TAG_POLICY } from './tags.ts';

/** Names of DNS records. */
const RECORDS = (label: string): boolean => label === 'git' || label === 'a';

describe('renaming a node', () => {
  test('frees the old name and keeps the new one whatever the client calls itself', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'laptop' }] });
    const node = tailnet.run((state) => renameNode(state, 1, 'desk'));
    assert.equal(node.nameIsFixed, true);
    assert.equal(tailnet.state.nodeByName('laptop'), undefined);
    assert.equal(tailnet.state.nodeByName('desk'), node);
  });

  test('to the name it has already fixes that name', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'laptop' }] });
    assert.equal(tailnet.run((state) => renameNode(state, 1, 'laptop')).nameIsFixed, true);
  });

  test('to the name of another node, or to none that DNS knows, is refused', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'a' }, { name: 'b' }] });
    const rename = (id: number, name: string): [string, string] => {
      const error = refusal(() => tailnet.run((state) => renameNode(state, id, name)));
      return [error.code, error.message];
    };
    assert.deepEqual(rename(1, 'b'), ['node.name-taken', 'node name "b" is already in use']);
    assert.deepEqual(rename(1, 'B'), ['node.name-invalid', 'node name must be lower case']);
    assert.equal(rename(1, '')[0], 'node.name-invalid');
    assert.equal(rename(7, 'c')[0], 'node.not-found');
  });

  test('to the name of a DNS record is refused, but for the name that it has', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'a' }] });
    const error = refusal(() => tailnet.run((state) => renameNode(state, 1, 'git', RECORDS)));
    assert.deepEqual(
      [error.code, error.message],
      ['node.name-taken', 'node name "git" is the name of a DNS record'],
    );
    assert.equal(tailnet.run((state) => renameNode(state, 1, 'a', RECORDS)).nameIsFixed, true);
  });

  test('to what programs take for their own machine or a proxy is refused', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ name: 'a' }] });
    for (const name of ['wpad', 'isatap', 'localhost']) {
      const error = refusal(() => tailnet.run((state) => renameNode(state, 1, name)));
      assert.equal(error.code, 'node.name-invalid');
      assert.equal(
        error.message,
        'node name must not be one that programs look up to find their own machine or a proxy',
      );
    }
  });
});

describe('tagging a node', () => {
  test('takes it from its owner, and its key no longer expires', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ expiry: 5 }] });
    const node = tailnet.run((state) =>
      setTags(state, 1, ['tag:web', 'tag:db', 'tag:web'], NO_TAG_POLICY),
    );
    assert.deepEqual(node.tags, ['tag:db', 'tag:web']);
    assert.equal(node.userId, undefined);
    assert.equal(node.expiry, undefined);
    assert.deepEqual(tailnet.state.nodesOfUser(1), []);
  });

  test('takes the routes from it that the policy approved for its owner and not for the tags', () => {
    const approvedRoutes = ['0.0.0.0/0', '10.0.0.0/24', '10.1.0.0/24', '10.2.0.0/24', '::/0'];
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ approvedRoutes }] });
    const node = tailnet.run((state) => setTags(state, 1, ['tag:web'], NO_TAG_POLICY, byPolicy));
    assert.deepEqual(node.approvedRoutes, ['10.1.0.0/24', '10.2.0.0/24']);
  });

  test('cannot leave it without tags', () => {
    const tailnet = createTailnet({ nodes: [{ userId: undefined, tags: ['tag:web'] }] });
    const error = refusal(() => tailnet.run((state) => setTags(state, 1, [], NO_TAG_POLICY)));
    assert.equal(error.code, 'node.tags-invalid');
    assert.match(error.message, /^cannot remove all tags from a node/);
  });

  test('with anything but tags is refused', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{}] });
    const error = refusal(() => tailnet.run((state) => setTags(state, 1, ['web'], NO_TAG_POLICY)));
    assert.equal(error.message, "tag must start with the string 'tag:'");
    assert.equal(
      refusal(() => tailnet.run((state) => setTags(state, 7, ['tag:a'], NO_TAG_POLICY))).code,
      'node.not-found',
    );
  });
});

describe('expiring a node', () => {
  test('happens now, later, or never', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{}] });
    const expire = (expiry: number | 'now' | 'never'): number | undefined =>
      tailnet.run((state, context) => setExpiry(state, 1, expiry, context)).expiry;
    assert.equal(expire('now'), tailnet.now);
    assert.equal(expire(tailnet.now + 5), tailnet.now + 5);
    assert.equal(expire('never'), undefined);
  });
});

describe('deleting a node', () => {
  test('frees its name and addresses', () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{ ipv4: '100.64.0.1' }] });
    const { name } = tailnet.run((state) => deleteNode(state, 1));
    assert.equal(tailnet.state.nodeByName(name), undefined);
    assert.equal(tailnet.state.addressTaken('100.64.0.1'), false);
    assert.equal(
      refusal(() => tailnet.run((state) => deleteNode(state, 1))).code,
      'node.not-found',
    );
  });
});

describe('approving routes', () => {
  test('replaces what was approved, in canonical form and order', () => {
    assert.deepEqual(approve('fd00:0::/64', '10.1.0.0/16', '10.0.0.0/24'), [
      '10.0.0.0/24',
      '10.1.0.0/16',
      'fd00::/64',
    ]);
    assert.deepEqual(approve(), []);
  });

  test('of one default route approves both', () => {
    assert.deepEqual(approve('0.0.0.0/0'), ['0.0.0.0/0', '::/0']);
    assert.deepEqual(approve('::/0', '10.0.0.0/24'), ['0.0.0.0/0', '10.0.0.0/24', '::/0']);
  });

  test('refuses what is not a network, and says what to write', () => {
    const refused: [string, RegExp][] = [
      ['10.0.0.1/24', /has host bits set: write 10\.0\.0\.0\/24$/],
      ['10.0.0.0', /no valid prefix length/],
      ['10.0.0.0/33', /no valid prefix length/],
      ['exit', /is not a prefix like/],
      ['::1%lo/128', /has a zone/],
    ];
    for (const [route, message] of refused) {
      const error = refusal(() => approve(route));
      assert.equal(error.code, 'node.routes-invalid');
      assert.match(error.message, message);
    }
  });

  test('refuses one that is given twice, however it is spelled', () => {
    const error = refusal(() => approve('fd00::/64', '10.0.0.0/24', 'fd00:0::/64'));
    assert.equal(error.code, 'node.routes-invalid');
    assert.equal(error.message, 'route "fd00:0::/64" is given twice');
  });
});

function approve(...routes: readonly string[]): readonly string[] {
  const tailnet = createTailnet({ users: ['ann'], nodes: [{}] });
  return tailnet.run((state) => setApprovedRoutes(state, 1, routes)).approvedRoutes;
}

/** What a policy approves for whoever has no tags, and for whoever has some. */
function byPolicy({ tags }: Node): readonly Prefix[] {
  return prefixes(...(tags.length > 0 ? ['10.1.0.0/24'] : ['::/0', '10.0.0.0/24', '10.1.0.0/24']));
}

function prefixes(...texts: string[]): readonly Prefix[] {
  return texts.map((text) => {
    const prefix = parsePrefix(text);
    assert.ok(prefix.ok, text);
    return prefix.value;
  });
}
