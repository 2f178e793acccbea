import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress } from '@malla/ip/address';
import fc from 'fast-check';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { parsePolicy } from '../document/parse.ts';
import type { Resolver } from '../contract.ts';
import type { Policy, SshRule } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import { createSlowResolver } from '../testing/resolver.ts';
import { type World, worlds } from '../testing/world.ts';
import { compileSsh, compileSshInFull } from './compile.ts';

const OPTIONS = { sshActionUrl: 'https://malla.example/machine/ssh/action/x' };
const REQUESTED = ['root', 'ubuntu', 'ann', 'ben', 'cat', 'dan', 'bin'];

describe('ssh policy', () => {
  test('lets in exactly whom the rules let in, as they let them in', () => {
    fc.assert(
      fc.property(worlds(), ({ policy, users, nodes }) => {
        const resolver = createSlowResolver(policy, users, nodes);
        for (const destination of nodes) {
          const compiled = compileSsh(policy, resolver, destination, OPTIONS);
          for (const source of nodes) {
            for (const user of REQUESTED) {
              const expected = decide(policy, resolver, source, destination, user);
              assert.equal(
                asClient(compiled, source, user),
                expected,
                `${source.id} ${destination.id} ${user}`,
              );
            }
          }
        }
      }),
    );
  });

  test('in full admits nobody else, except a node to itself', () => {
    fc.assert(
      fc.property(worlds(), ({ policy, users, nodes }) => {
        const resolver = createSlowResolver(policy, users, nodes);
        for (const destination of nodes) {
          const compiled = compileSshInFull(policy, resolver, destination, OPTIONS);
          for (const source of nodes.filter(({ id }) => id !== destination.id)) {
            for (const user of REQUESTED) {
              const expected = decide(policy, resolver, source, destination, user);
              assert.equal(asClient(compiled, source, user), expected);
            }
          }
        }
      }),
    );
  });

  test('is one for nodes that the same destinations mean and one user owns', () => {
    fc.assert(
      fc.property(worlds(), ({ policy, users, nodes }: World) => {
        const resolver = createSlowResolver(policy, users, nodes);
        const byKind = new Map<string, SshPolicy>();
        for (const node of nodes) {
          const meant = policy.ssh.map((rule) => isMeant(rule, resolver, node));
          const kind = JSON.stringify([meant, node.tags.length > 0 ? null : node.userId]);
          const compiled = compileSsh(policy, resolver, node, OPTIONS);
          assert.deepEqual(compiled, byKind.get(kind) ?? compiled);
          byKind.set(kind, compiled);
        }
      }),
    );
  });

  test('checks come before what is accepted at once', () => {
    const policy = parse({
      ssh: [
        { action: 'accept', src: ['ann@example.com'], dst: ['tag:a'], users: ['ubuntu'] },
        { action: 'check', src: ['ann@example.com'], dst: ['tag:a'], users: ['root'] },
      ],
    });
    const [ann, server] = [device(1, { userId: 1 }), device(2, { tags: ['tag:a'] })];
    const resolver = createSlowResolver(policy, [person(1, 'ann')], [ann, server]);
    const { rules } = compileSsh(policy, resolver, server, OPTIONS);
    assert.deepEqual(
      rules.map(({ action }) => action.holdAndDelegate),
      [OPTIONS.sshActionUrl, undefined],
    );
  });

  test('a local part never opens root', () => {
    const policy = parse({
      ssh: [
        {
          action: 'accept',
          src: ['autogroup:member'],
          dst: ['tag:a'],
          users: ['localpart:*@example.com'],
        },
      ],
    });
    const [root, server] = [device(1, { userId: 1 }), device(2, { tags: ['tag:a'] })];
    const resolver = createSlowResolver(policy, [person(1, 'root')], [root, server]);
    const compiled = compileSsh(policy, resolver, server, OPTIONS);
    assert.equal(asClient(compiled, root, 'root'), 'denied');
  });

  test('sends the patterns of environment variables only where there are some', () => {
    const rule = { action: 'accept', src: ['tag:a'], dst: ['tag:a'], users: ['root'] };
    const policy = parse({ ssh: [rule, { ...rule, acceptEnv: ['GIT_*'] }] });
    const server = device(1, { tags: ['tag:a'] });
    const { rules } = compileSsh(policy, createSlowResolver(policy, [], [server]), server, OPTIONS);
    assert.deepEqual(
      rules.map(({ acceptEnv }) => acceptEnv),
      [undefined, ['GIT_*']],
    );
  });
});

/** What a client does with a policy. Source: docs/protocol/control.md §SSH policy. */
function asClient({ rules }: SshPolicy, source: PolicyNode, requested: string): string {
  const addresses = source.addresses.map(formatAddress);
  for (const { principals, sshUsers, action } of rules) {
    if (!principals.some((each) => each.any === true || addresses.includes(each.nodeIP ?? '')))
      continue;
    const mapped = sshUsers[requested] ?? sshUsers['*'] ?? '';
    const local = mapped === '=' ? (requested === 'root' ? '' : requested) : mapped;
    if (local === '') continue;
    assert.equal(local, requested);
    return action.accept === true ? 'accept' : 'check';
  }
  return 'denied';
}

/** What the rules say, read off the policy: a check before anything else. */
function decide(
  policy: Policy,
  resolver: Resolver,
  source: PolicyNode,
  destination: PolicyNode,
  user: string,
): string {
  const opening = policy.ssh.filter((rule) => {
    if (!rule.sources.some(({ value }) => resolver.matches(value, source))) return false;
    if (!resolver.meets(rule.postures, source)) return false;
    const self = rule.destinations.some(
      ({ value }) => value.kind === 'autogroup' && value.name === 'self',
    );
    const ours = source.userId !== undefined && source.userId === destination.userId;
    if (!isMeant(rule, resolver, destination) && !(self && ours)) return false;
    return rule.users.some(({ value }) => {
      if (value === 'autogroup:nonroot') return user !== 'root';
      const owner = resolver.ownerOf(source);
      return (
        value === user ||
        (owner !== undefined &&
          value === `localpart:*@${owner.email.replace(/^.*@/, '')}` &&
          owner.email.startsWith(`${user}@`))
      );
    });
  });
  if (opening.length === 0) return 'denied';
  return opening.some(({ action }) => action === 'check') ? 'check' : 'accept';
}

function isMeant(rule: SshRule, resolver: Resolver, node: PolicyNode): boolean {
  return rule.destinations.some(({ value }) => resolver.matches(value, node));
}

function parse(policy: object): Policy {
  const parsed = parsePolicy(JSON.stringify({ tagOwners: { 'tag:a': [] }, ...policy }));
  assert.ok(parsed.ok);
  return parsed.value;
}

function person(id: number, name: string): PolicyUser {
  return { id, name, email: `${name}@example.com`, providerId: '', role: undefined };
}

function device(id: number, of: Partial<PolicyNode>): PolicyNode {
  return {
    id,
    userId: undefined,
    tags: [],
    addresses: [{ family: 4, value: BigInt(0x64400000 + id) }],
    announced: [],
    routes: [],
    exitNode: false,
    posture: new Map(),
    ...of,
  };
}
