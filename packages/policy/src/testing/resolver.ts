/**
 * A resolver that is slow and obviously right: it asks every user and node each time. For tests, to
 * compare with the engine's.
 */
import { type Address, compareAddresses } from '@malla/ip/address';
import { contains, type Prefix } from '@malla/ip/prefix';
import type { Resolver } from '../contract.ts';
import type { Alias, Autogroup, Policy, PostureCondition } from '../policy.ts';
import type { PolicyNode, PolicyUser, PostureAttributes } from '../subjects.ts';

/** Makes a resolver over values that do not change. Its postures compare strings and numbers only, not versions. */
export function createSlowResolver(
  policy: Policy,
  users: readonly PolicyUser[],
  nodes: readonly PolicyNode[],
): Resolver {
  const ownerOf = (node: PolicyNode): PolicyUser | undefined =>
    node.tags.length > 0 ? undefined : users.find((user) => user.id === node.userId);

  const isUser = (name: string, user: PolicyUser | undefined): boolean => {
    if (user === undefined) return false;
    const known = users.find((other) => other.providerId !== '' && other.providerId === name);
    if (known !== undefined) return known.id === user.id;
    return user.email === name || user.name === name.replace(/@$/, '');
  };

  const matches = (alias: Alias, node: PolicyNode): boolean => {
    const owner = ownerOf(node);
    switch (alias.kind) {
      case 'any':
        return true;
      case 'user':
        return isUser(alias.name, owner);
      case 'domain':
        return owner?.email.endsWith(`@${alias.domain}`) === true;
      case 'group':
        return policy.groups.get(alias.name)?.some(({ value }) => isUser(value, owner)) === true;
      case 'tag':
        return node.tags.includes(alias.name);
      case 'autogroup':
        return inAutogroup(alias.name, node, owner);
      case 'host': {
        const prefix = policy.hosts.get(alias.name);
        return prefix !== undefined && hasAddressIn(node, [prefix]);
      }
      case 'ipset':
        return hasAddressIn(node, policy.ipsets.get(alias.name) ?? []);
      case 'prefix':
        return hasAddressIn(node, [alias.prefix]);
    }
  };

  return {
    matches,
    nodesOf: (alias) =>
      nodes.filter((node) => matches(alias, node)).toSorted((a, b) => a.id - b.id),
    ownerOf,
    meets: (postures, node) =>
      postures.length === 0 ||
      postures.some(({ value }) =>
        policy.postures.get(value)?.conditions.every((condition) => holds(condition, node.posture)),
      ),
  };
}

/** The node of a list with this address. */
export function slowNodeAt(nodes: readonly PolicyNode[], address: Address): PolicyNode | undefined {
  return nodes.find((node) => node.addresses.some((own) => compareAddresses(own, address) === 0));
}

function inAutogroup(name: Autogroup, node: PolicyNode, owner: PolicyUser | undefined): boolean {
  switch (name) {
    case 'member':
      return owner !== undefined;
    case 'tagged':
      return node.tags.length > 0;
    case 'danger-all':
      return true;
    case 'self':
    case 'internet':
    case 'shared':
      return false;
    case 'admin':
    case 'owner':
    case 'network-admin':
    case 'it-admin':
    case 'billing-admin':
    case 'auditor':
      return owner?.role === name || (name === 'admin' && owner?.role === 'owner');
  }
}

function hasAddressIn(node: PolicyNode, prefixes: readonly Prefix[]): boolean {
  return node.addresses.some((address) => prefixes.some((prefix) => contains(prefix, address)));
}

function holds(condition: PostureCondition, attributes: PostureAttributes): boolean {
  const has = attributes.get(condition.attribute);
  const [wanted] = condition.values;
  if (condition.operator === 'NOT SET') return has === undefined;
  if (has === undefined) return false;
  switch (condition.operator) {
    case 'IS SET':
      return true;
    case 'IN':
      return condition.values.includes(has);
    case 'NOT IN':
      return !condition.values.includes(has);
    case '==':
      return has === wanted;
    case '!=':
      return has !== wanted;
    case '<':
      return wanted !== undefined && has < wanted;
    case '<=':
      return wanted !== undefined && has <= wanted;
    case '>':
      return wanted !== undefined && has > wanted;
    case '>=':
      return wanted !== undefined && has >= wanted;
  }
}
