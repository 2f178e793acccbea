/**
 * The SSH policy of a node: who may open a session on it, as which users, and whether the session is
 * held for approval. Clients take the first rule that fits, so rules with `check` come first.
 *
 * A rule with `localpart:*@domain` becomes rules for each user among its sources: one for the users
 * that it names in so many words, one for the user's own name. A local part never opens `root`.
 *
 * Source: docs/protocol/control.md §SSH policy; Tailscale's policy file syntax, `ssh`. Observed: the
 * hosted service, April 2026.
 */
import { formatAddress } from '@malla/ip/address';
import type {
  SshAction,
  SshPolicy,
  SshPolicyRule,
  SshPrincipal,
} from '@malla/wire/tailcfg/ssh-policy';
import type { EngineOptions, Resolver } from '../contract.ts';
import type { Policy, SshRule } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';

/** The local user that `*` never means. */
export const ROOT = 'root';
/** `localpart:*@domain`, a user of a rule: whoever has an address there, under its local part. */
const LOCALPART = /^localpart:\*@(.+)$/;
/** A user of a rule: every local user but root, of the same name as requested. */
export const NONROOT = 'autogroup:nonroot';

const ACCEPT: SshAction = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
};

/**
 * Compiles what a node is sent. Of `self` it matters only which destinations mean it and, for a rule
 * with `autogroup:self`, who owns it: nodes that agree in these have one policy.
 */
export function compileSsh(
  policy: Policy,
  resolver: Resolver,
  self: PolicyNode,
  options: EngineOptions,
): SshPolicy {
  return { rules: inOrder(policy).flatMap((rule) => compileRule(rule, resolver, self, options)) };
}

/**
 * The same as the hosted service spells it: there a source of a rule with a local part is also let in
 * to itself. That admits nobody else, and would make every node's policy another one.
 */
export function compileSshInFull(
  policy: Policy,
  resolver: Resolver,
  self: PolicyNode,
  options: EngineOptions,
): SshPolicy {
  const rules = inOrder(policy).flatMap((rule) => {
    const compiled = compileRule(rule, resolver, self, options);
    if (compiled.length > 0 || !rule.users.some(isLocalpart)) return compiled;
    const own = sourcesOf(rule, resolver).filter(({ id }) => id === self.id);
    return spell(rule, resolver, own, options);
  });
  return { rules };
}

/** The rules in the order in which they hold: those that check first. */
export function inOrder(policy: Policy): readonly SshRule[] {
  const checks = policy.ssh.filter(({ action }) => action === 'check');
  return [...checks, ...policy.ssh.filter(({ action }) => action === 'accept')];
}

/** Whether `autogroup:self` means one of two nodes to the other: no tags, one owner. */
export function sharesOwner(a: PolicyNode, b: PolicyNode): boolean {
  return (
    a.tags.length === 0 && b.tags.length === 0 && a.userId !== undefined && a.userId === b.userId
  );
}

/**
 * The name under which a `localpart:` entry lets a user in; undefined when it does not. The domain is
 * compared without regard to case.
 */
export function localpartOf(entry: string, user: PolicyUser): string | undefined {
  const domain = LOCALPART.exec(entry)?.[1];
  const address = user.email === '' ? user.name : user.email;
  const at = address.lastIndexOf('@');
  if (domain === undefined || at < 1) return undefined;
  if (address.slice(at + 1).toLowerCase() !== domain.toLowerCase()) return undefined;
  const name = address.slice(0, at);
  return name === ROOT ? undefined : name;
}

function compileRule(
  rule: SshRule,
  resolver: Resolver,
  self: PolicyNode,
  options: EngineOptions,
): readonly SshPolicyRule[] {
  const forAll = isDestination(rule, resolver, self);
  if (!forAll && !(namesSelf(rule) && self.tags.length === 0)) return [];
  const sources = sourcesOf(rule, resolver).filter((node) => forAll || sharesOwner(node, self));
  return spell(rule, resolver, sources, options);
}

/** Whether a node is a destination of the rule for every source; for `autogroup:self` see {@link sharesOwner}. */
function isDestination(rule: SshRule, resolver: Resolver, node: PolicyNode): boolean {
  return rule.destinations.some(({ value }) => resolver.matches(value, node));
}

/** Whether the rule has `autogroup:self` among its destinations. */
function namesSelf(rule: SshRule): boolean {
  return rule.destinations.some(({ value }) => value.kind === 'autogroup' && value.name === 'self');
}

function sourcesOf(rule: SshRule, resolver: Resolver): readonly PolicyNode[] {
  const found = new Map<number, PolicyNode>();
  for (const { value } of rule.sources) {
    for (const node of resolver.nodesOf(value)) {
      if (resolver.meets(rule.postures, node)) found.set(node.id, node);
    }
  }
  return [...found.values()].toSorted((a, b) => a.id - b.id);
}

function spell(
  rule: SshRule,
  resolver: Resolver,
  sources: readonly PolicyNode[],
  options: EngineOptions,
): readonly SshPolicyRule[] {
  const named = namedUsers(rule);
  const out: SshPolicyRule[] = [];
  const add = (nodes: readonly PolicyNode[], sshUsers: SshPolicyRule['sshUsers']): void => {
    if (nodes.length === 0) return;
    out.push({
      principals: nodes.flatMap(principals),
      sshUsers,
      action: rule.action === 'accept' ? ACCEPT : { holdAndDelegate: options.sshActionUrl },
      ...(rule.acceptEnv.length > 0 && { acceptEnv: rule.acceptEnv }),
    });
  };

  if (!rule.users.some(isLocalpart)) {
    add(sources, named);
    return out;
  }
  for (const [owner, nodes] of byOwner(sources, resolver)) {
    add(nodes, named);
    if (owner === undefined) continue;
    const own = rule.users.flatMap(({ value }) => localpartOf(value, owner) ?? []);
    if (own.length > 0) add(nodes, Object.fromEntries(own.map((name) => [name, name])));
  }
  return out;
}

/** What a rule's users say in so many words. Root is always spelled: `*` must not open it. */
function namedUsers(rule: SshRule): SshPolicyRule['sshUsers'] {
  const users: [string, string][] = [[ROOT, '']];
  for (const entry of rule.users) {
    if (isLocalpart(entry)) continue;
    users.push(entry.value === NONROOT ? ['*', '='] : [entry.value, entry.value]);
  }
  return Object.fromEntries(users);
}

/** Nodes by owner, in order of the owners' ids; tagged nodes, who have none, come last. */
function byOwner(
  nodes: readonly PolicyNode[],
  resolver: Resolver,
): readonly (readonly [PolicyUser | undefined, readonly PolicyNode[]])[] {
  const groups = new Map<number, [PolicyUser | undefined, PolicyNode[]]>();
  for (const node of nodes) {
    const owner = resolver.ownerOf(node);
    const id = owner?.id ?? Infinity;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [owner, [node]]);
    else group[1].push(node);
  }
  return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => group);
}

function isLocalpart(user: { readonly value: string }): boolean {
  return LOCALPART.test(user.value);
}

function principals(node: PolicyNode): readonly SshPrincipal[] {
  return node.addresses.map((address) => ({ nodeIP: formatAddress(address) }));
}
