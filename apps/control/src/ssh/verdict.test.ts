import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Alias,
  ALLOW_ALL,
  type Placed,
  type Policy,
  type SshRule,
} from '@malla/policy/policy';
import type { PolicyNode, PolicyUser } from '@malla/policy/tailnet';
import { createSlowResolver } from '@malla/policy/testing/resolver';
import type { SshVerdict } from './checks.ts';
import { sshVerdict } from './verdict.ts';

const PLACE = { line: 1, column: 1, path: '/ssh/0' };
const ANN: Alias = { kind: 'user', name: 'ann@example.com' };
const SERVERS: Alias = { kind: 'tag', name: 'tag:server' };
const SELF: Alias = { kind: 'autogroup', name: 'self' };
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
    const policy = policyOf(rule({ sources: [ANN], destinations: [SERVERS], users: ['ops'] }));
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'ops'), ACCEPT);
    assert.deepEqual(verdict(policy, BOBS, SERVER, 'ops'), REFUSE);
    assert.deepEqual(verdict(policy, LAPTOP, PHONE, 'ops'), REFUSE);
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'root'), REFUSE);
    assert.deepEqual(verdict(policy, LAPTOP, 99, 'ops'), REFUSE);
    assert.deepEqual(verdict(ALLOW_ALL, LAPTOP, SERVER, 'ops'), REFUSE);
  });

  test('has a rule’s own period, or the default one', () => {
    const check = { action: 'check', destinations: [SERVERS] } as const;
    const policy = policyOf(
      rule({ ...check, users: ['root'], checkPeriodMs: 0 }),
      rule({ ...check, users: ['ops'], checkPeriodMs: undefined }),
    );
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'root'), { kind: 'check', periodMs: 0 });
    const periodMs = 43_200_000;
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'ops'), { kind: 'check', periodMs });
  });

  test('is a check where one rule checks and another, above it, accepts', () => {
    const policy = policyOf(
      rule({ destinations: [SERVERS] }),
      rule({ action: 'check', destinations: [SERVERS], checkPeriodMs: 60_000 }),
    );
    assert.equal(verdict(policy, LAPTOP, SERVER, 'root').kind, 'check');
  });

  test('is no for root where a rule says autogroup:nonroot', () => {
    const policy = policyOf(rule({ destinations: [SERVERS], users: ['autogroup:nonroot'] }));
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'ops'), ACCEPT);
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'root'), REFUSE);
  });

  test('takes a local part from the address of the source’s owner', () => {
    const users = ['localpart:*@example.com'];
    const any: Alias = { kind: 'any' };
    const policy = policyOf(rule({ sources: [any], destinations: [SERVERS], users }));
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'ann'), ACCEPT);
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'bob'), REFUSE);
    assert.deepEqual(verdict(policy, BOBS, SERVER, 'bob'), ACCEPT);
    assert.deepEqual(verdict(policy, SERVER, SERVER, 'ann'), REFUSE);
  });

  test('means by autogroup:self the devices of one owner', () => {
    const policy = policyOf(rule({ sources: [{ kind: 'any' }], destinations: [SELF] }));
    assert.deepEqual(verdict(policy, LAPTOP, PHONE, 'root'), ACCEPT);
    assert.deepEqual(verdict(policy, BOBS, PHONE, 'root'), REFUSE);
    assert.deepEqual(verdict(policy, SERVER, SERVER, 'root'), REFUSE);
  });

  test('asks for a posture where the rule does', () => {
    const postures = [placed('posture:linux')];
    const rules = policyOf(rule({ destinations: [SERVERS], postures }));
    const conditions = [{ attribute: 'node:os', operator: '==', values: ['linux'] }] as const;
    const policy = {
      ...rules,
      postures: new Map([['posture:linux', { place: PLACE, conditions }]]),
    };
    assert.deepEqual(verdict(policy, LAPTOP, SERVER, 'root'), ACCEPT);
    assert.deepEqual(verdict(policy, PHONE, SERVER, 'root'), REFUSE);
  });
});

function verdict(
  policy: Policy,
  source: number,
  destination: number,
  localUser: string,
): SshVerdict {
  const resolver = createSlowResolver(policy, USERS, NODES);
  const engine = { policy, resolver, node: (id: number) => NODES.find((one) => one.id === id) };
  return sshVerdict(engine, { source, destination, localUser });
}

function policyOf(...ssh: readonly SshRule[]): Policy {
  return { ...ALLOW_ALL, ssh };
}

/** From Ann, as root, accepted; what is given replaces that. */
function rule(
  given: Partial<Omit<SshRule, 'sources' | 'destinations' | 'users'>> & {
    readonly sources?: readonly Alias[];
    readonly destinations: readonly Alias[];
    readonly users?: readonly string[];
  },
): SshRule {
  const { sources = [ANN], destinations, users = ['root'], ...rest } = given;
  return {
    place: PLACE,
    action: 'accept',
    checkPeriodMs: undefined,
    acceptEnv: [],
    postures: [],
    ...rest,
    sources: sources.map(placed),
    destinations: destinations.map(placed),
    users: users.map(placed),
  };
}

function placed<T>(value: T): Placed<T> {
  return { value, place: PLACE };
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
