import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import { createEngine } from '@malla/policy/engine/engine';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';
import type { SshVerdict } from './checks.ts';
import { sshVerdict } from './verdict.ts';

const REFUSE: SshVerdict = { kind: 'refuse' };
const ACCEPT: SshVerdict = { kind: 'accept' };

const USERS = [user(1, 'ann@example.com'), user(2, 'bob@example.com')];
/** Ann's laptop and phone, Bob's laptop, and a server. */
const [LAPTOP, PHONE, BOBS, SERVER] = [1, 2, 3, 4];
const NODES = [
  node(LAPTOP, { userId: 1 }),
  node(PHONE, { userId: 1 }),
  node(BOBS, { userId: 2 }),
  node(SERVER, { tags: ['tag:server'] }),
];

describe('the policy’s word on an SSH connection', () => {
  test('is no without a rule that fits in source, destination and user', () => {
    const rules = [{ src: ['ann@example.com'], users: ['ops'] }];
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'ops'), ACCEPT);
    assert.deepEqual(verdict(rules, BOBS, SERVER, 'ops'), REFUSE);
    assert.deepEqual(verdict(rules, LAPTOP, PHONE, 'ops'), REFUSE);
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'root'), REFUSE);
    assert.deepEqual(verdict(rules, LAPTOP, 99, 'ops'), REFUSE);
    assert.deepEqual(verdict([], LAPTOP, SERVER, 'ops'), REFUSE);
  });

  test('has a rule’s own period, or the default one', () => {
    const rules = [
      { action: 'check', checkPeriod: 'always', users: ['root'] },
      { action: 'check', checkPeriod: '90m', users: ['web'] },
      { action: 'check', users: ['ops'] },
    ];
    const period = (localUser: string): SshVerdict => verdict(rules, LAPTOP, SERVER, localUser);
    assert.deepEqual(period('root'), { kind: 'check', periodMs: 0 });
    assert.deepEqual(period('web'), { kind: 'check', periodMs: 5_400_000 });
    assert.deepEqual(period('ops'), { kind: 'check', periodMs: 43_200_000 });
  });

  test('is a check where one rule checks and another, above it, accepts', () => {
    const rules = [{}, { action: 'check' }];
    assert.equal(verdict(rules, LAPTOP, SERVER, 'root').kind, 'check');
  });

  test('is no for root where a rule says autogroup:nonroot', () => {
    const rules = [{ users: ['autogroup:nonroot'] }];
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'ops'), ACCEPT);
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'root'), REFUSE);
  });

  test('takes a local part from the address of the source’s owner', () => {
    const rules = [{ src: ['autogroup:member'], users: ['localpart:*@example.com'] }];
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'ann'), ACCEPT);
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'bob'), REFUSE);
    assert.deepEqual(verdict(rules, BOBS, SERVER, 'bob'), ACCEPT);
  });

  test('means by autogroup:self the devices of one owner', () => {
    const rules = [{ src: ['autogroup:member'], dst: ['autogroup:self'] }];
    assert.deepEqual(verdict(rules, LAPTOP, PHONE, 'root'), ACCEPT);
    assert.deepEqual(verdict(rules, BOBS, PHONE, 'root'), REFUSE);
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'root'), REFUSE);
  });

  test('asks for a posture where the rule does', () => {
    const rules = [{ srcPosture: ['posture:linux'] }];
    assert.deepEqual(verdict(rules, LAPTOP, SERVER, 'root'), ACCEPT);
    assert.deepEqual(verdict(rules, PHONE, SERVER, 'root'), REFUSE);
  });
});

/** Of a policy with these rules: from Ann to servers, as root, accepted, where a rule says nothing else. */
function verdict(
  rules: readonly object[],
  source: number,
  destination: number,
  localUser: string,
): SshVerdict {
  const usual = {
    action: 'accept',
    src: ['ann@example.com'],
    dst: ['tag:server'],
    users: ['root'],
  };
  const text = JSON.stringify({
    tagOwners: { 'tag:server': ['ann@example.com'] },
    postures: { 'posture:linux': ["node:os == 'linux'"] },
    ssh: rules.map((rule) => ({ ...usual, ...rule })),
  });
  const parsed = parsePolicy(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const engine = createEngine(parsed.value, { sshActionUrl: '' });
  engine.update({ users: USERS, nodes: NODES });
  return sshVerdict(engine, { source, destination, localUser });
}

function user(id: number, email: string): PolicyUser {
  return { id, name: email, email, providerId: '', role: undefined };
}

function node(
  id: number,
  given: { readonly userId?: number; readonly tags?: readonly string[] },
): PolicyNode {
  return {
    id,
    userId: given.userId,
    tags: given.tags ?? [],
    addresses: [],
    announced: [],
    routes: [],
    exitNode: false,
    posture: new Map([['node:os', id === PHONE ? 'ios' : 'linux']]),
  };
}
