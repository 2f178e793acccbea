import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { parsePolicy } from '../document/parse.ts';
import { formatProblems } from '../document/reading/problem.ts';
import { type PolicyNode, type PolicyUser, UNKNOWN_NODE } from '../subjects.ts';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from './engine.ts';

const ANN: PolicyUser = {
  id: 1,
  name: 'ann',
  email: 'ann@example.com',
  providerId: '',
  role: undefined,
};
const BEN: PolicyUser = { ...ANN, id: 2, name: 'ben', email: 'ben@example.com', role: 'owner' };
const CAT: PolicyUser = { ...ANN, id: 3, name: 'cat', email: 'cat@example.com' };

const engine = engineOf({
  groups: { 'group:net': ['ann@example.com'] },
  tagOwners: {
    'tag:router': ['group:net'],
    'tag:ci': ['tag:router'],
    'tag:loop': ['tag:loop2'],
    'tag:loop2': ['tag:loop', 'autogroup:admin'],
  },
  autoApprovers: {
    routes: { '10.0.0.0/8': ['tag:router'], '192.168.0.0/16': ['ann@example.com'] },
    exitNode: ['tag:router'],
  },
});

describe('routes that a policy approves', () => {
  const announced = ['10.0.0.0/8', '10.1.0.0/16', '192.168.1.0/24', '0.0.0.0/0', '::/0'];

  test('are those in a prefix of one that its approver may announce', () => {
    const router = nodeOf({ tags: ['tag:router'], announced: announced.map(prefix) });
    assert.deepEqual(engine.autoApproved(router).map(formatPrefix), [
      '10.0.0.0/8',
      '10.1.0.0/16',
      '0.0.0.0/0',
      '::/0',
    ]);
  });

  test('of a user are not those of a tag', () => {
    const own = nodeOf({ userId: 1, announced: announced.map(prefix) });
    assert.deepEqual(engine.autoApproved(own).map(formatPrefix), ['192.168.1.0/24']);
  });

  test('are not wider than the prefix that is approved', () => {
    const router = nodeOf({ tags: ['tag:router'], announced: [prefix('0.0.0.0/1')] });
    assert.deepEqual(engine.autoApproved(router), []);
  });

  test('are no exit routes, however wide the prefix', () => {
    const wide = engineOf({
      tagOwners: { 'tag:router': [] },
      autoApprovers: { routes: { '0.0.0.0/0': ['tag:router'] } },
    });
    const router = nodeOf({ tags: ['tag:router'], announced: announced.map(prefix) });
    assert.deepEqual(wide.autoApproved(router).map(formatPrefix), announced.slice(0, 3));
  });
});

describe('a tag', () => {
  test('is owned by its owners', () => assert.ok(engine.ownsTag(1, 'tag:router')));
  test('is owned by the owners of a tag that owns it', () =>
    assert.ok(engine.ownsTag(1, 'tag:ci')));
  test('is not owned by anybody else', () => assert.ok(!engine.ownsTag(3, 'tag:router')));
  test('has owners also when tags own each other', () => {
    assert.ok(engine.ownsTag(2, 'tag:loop'));
    assert.ok(!engine.ownsTag(1, 'tag:loop'));
  });
  test('can own a tag', () => {
    assert.ok(engine.tagsOwnTag(['tag:router'], 'tag:ci'));
    assert.ok(!engine.tagsOwnTag(['tag:ci'], 'tag:router'));
  });
  test('is owned by admins and network admins, whoever its owners are', () => {
    for (const [role, owns] of [
      ['owner', true],
      ['admin', true],
      ['network-admin', true],
      ['it-admin', false],
    ] as const) {
      const of = engineOf({ tagOwners: { 'tag:x': ['ann@example.com'] } });
      of.update({ users: [{ ...BEN, role }] });
      assert.equal(of.ownsTag(2, 'tag:x'), owns, role);
    }
  });
  test('that is not defined is owned by nobody', () => {
    assert.ok(!engine.isTagDefined('tag:gone'));
    assert.ok(!engine.ownsTag(2, 'tag:gone'));
  });
});

function engineOf(policy: object): PolicyEngine {
  const parsed = parsePolicy(JSON.stringify(policy));
  assert.ok(parsed.ok, parsed.ok ? '' : formatProblems(parsed.error));
  const made = createEngine(parsed.value, { sshActionUrl: '' });
  made.update({ users: [ANN, BEN, CAT] });
  return made;
}

function nodeOf(of: Partial<PolicyNode>): PolicyNode {
  return { ...UNKNOWN_NODE, id: 1, ...of };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
