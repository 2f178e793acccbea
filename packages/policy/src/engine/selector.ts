/**
 * Selectors: what rules ask of a node, each distinct one once. A selector is an alias, with the postures
 * that a source must satisfy or the tags of the routers that a `via` allows; its text is its identity
 * from one policy to the next, its index is its place in bit sets.
 */
import type { Address } from '@malla/ip/address';
import { contains, formatPrefix, overlaps, type Prefix } from '@malla/ip/prefix';
import type { Alias, Policy } from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';
import { overlapsInternet } from '../internet.ts';

export interface SelectorSpec {
  readonly text: string;
  readonly alias: Alias;
  /** Names of postures, one of which must be satisfied; empty: none needed. */
  readonly postures: readonly string[];
  /** Tags one of which a router must have; empty for anything but a destination of a rule with `via`. */
  readonly via: readonly string[];
  /**
   * Whether it means, of a source, only what is behind routers: a rule with postures asks nothing of that,
   * as nobody can tell its posture.
   */
  readonly behind: boolean;
}

/** A selector that a policy uses. */
export interface Selector extends SelectorSpec {
  readonly index: number;
  /** What it means in this policy: the same text can come to mean something else. */
  readonly definition: string;
  /** What a host, a set or a prefix holds; empty for all else. */
  readonly prefixes: readonly Prefix[];
  /** Whether it tells classes apart: not so when only SSH sources or node attributes name it. */
  readonly classing: boolean;
}

/** `*` and `autogroup:danger-all` mean every node: each node has them, and they tell none apart. */
export const ANY = 0;
export const DANGER_ALL = 1;
/** The first index that is free for others. */
export const FIRST_INDEX = 2;

/** Makes the specification of an alias under conditions. */
export function selectorSpec(
  alias: Alias,
  postures: readonly string[] = [],
  via: readonly string[] = [],
): SelectorSpec {
  const sorted = postures.toSorted();
  const routers = via.toSorted();
  let text = aliasText(alias);
  if (sorted.length > 0) text += ` if ${sorted.join(' ')}`;
  if (routers.length > 0) text += ` via ${routers.join(' ')}`;
  return { text, alias, postures: sorted, via: routers, behind: false };
}

/** An alias as one text, the same exactly for equal aliases. */
export function aliasText(alias: Alias): string {
  switch (alias.kind) {
    case 'any':
      return '*';
    case 'domain':
      return `user:*@${alias.domain}`;
    case 'user':
    case 'group':
    case 'tag':
    case 'ipset':
      return alias.name;
    case 'autogroup':
      return `autogroup:${alias.name}`;
    case 'host':
      return `host:${alias.name}`;
    case 'prefix':
      return formatPrefix(alias.prefix);
  }
}

/** What a selector means in a policy, as text: when it changes, its members may. */
export function definitionOf(spec: SelectorSpec, policy: Policy): string {
  const parts: string[] = [];
  if (spec.alias.kind === 'group') {
    parts.push(...(policy.groups.get(spec.alias.name) ?? []).map(({ value }) => value));
  } else {
    parts.push(...prefixesOf(spec.alias, policy).map(formatPrefix));
  }
  for (const name of spec.postures) {
    parts.push(JSON.stringify(policy.postures.get(name)?.conditions ?? null));
  }
  return parts.join('\n');
}

/** The prefixes that an alias stands for; none when it stands for users, tags or groups of nodes. */
export function prefixesOf(alias: Alias, policy: Policy): readonly Prefix[] {
  switch (alias.kind) {
    case 'prefix':
      return [alias.prefix];
    case 'host': {
      const prefix = policy.hosts.get(alias.name);
      return prefix === undefined ? [] : [prefix];
    }
    case 'ipset':
      return policy.ipsets.get(alias.name) ?? [];
    case 'any':
    case 'user':
    case 'domain':
    case 'group':
    case 'tag':
    case 'autogroup':
      return [];
  }
}

/** Whether an alias means addresses as such, whoever has them. */
export function isAddresses(alias: Alias): boolean {
  return alias.kind === 'prefix' || alias.kind === 'host' || alias.kind === 'ipset';
}

/** Whether the sources under a selector are listed node by node, rather than by prefixes that say it for all time. */
export function listsNodes({ alias, postures, via, behind }: SelectorSpec): boolean {
  if (via.length > 0 || behind) return false;
  if (postures.length > 0) return true;
  return alias.kind !== 'any' && !isAutogroup(alias, 'danger-all') && !isAddresses(alias);
}

/** Whether an alias is an autogroup of this name. */
export function isAutogroup(alias: Alias, name: 'self' | 'internet' | 'danger-all'): boolean {
  return alias.kind === 'autogroup' && alias.name === name;
}

/**
 * Whether a selector, as a source, means what is behind a router: its prefixes overlap a served subnet.
 * A posture is a node's own: what is behind it has a selector of its own (`behind`).
 */
export function meansSubnetOf(selector: Selector, node: PolicyNode): boolean {
  if (selector.postures.length > 0 || selector.via.length > 0) return false;
  if (selector.behind && selector.alias.kind === 'any') return node.routes.length > 0;
  return selector.prefixes.some((prefix) => node.routes.some((route) => overlaps(prefix, route)));
}

/** Whether a selector, as a destination, means what a router or an exit node forwards to. */
export function meansForwardedBy(selector: Selector, node: PolicyNode): boolean {
  if (selector.postures.length > 0 || !mayForward(selector, node)) return false;
  const { alias } = selector;
  if (alias.kind === 'any') return selector.via.length > 0 && serves(node);
  if (isAutogroup(alias, 'internet')) return node.exitNode;
  return selector.prefixes.some((prefix) => isForwarded(prefix, node));
}

/** Whether a node has a tag that the `via` of a selector names, or there is none. */
export function mayForward(selector: SelectorSpec, node: PolicyNode): boolean {
  return selector.via.length === 0 || selector.via.some((tag) => node.tags.includes(tag));
}

/** Whether any address of a prefix is one that the node forwards to. */
export function isForwarded(prefix: Prefix, node: PolicyNode): boolean {
  if (node.routes.some((route) => overlaps(prefix, route))) return true;
  return node.exitNode && overlapsInternet(prefix);
}

/** Whether the node forwards anything. */
export function serves(node: PolicyNode): boolean {
  return node.routes.length > 0 || node.exitNode;
}

/** Of the addresses of a node those that count under a selector: of prefixes only those in them. */
export function addressesUnder<A extends Address>(
  selector: Selector,
  addresses: readonly A[],
): readonly A[] {
  if (!isAddresses(selector.alias)) return addresses;
  return addresses.filter((each) => selector.prefixes.some((prefix) => contains(prefix, each)));
}

/** Whether a prefix holds an address of the node. */
export function holdsAddressOf(prefix: Prefix, node: PolicyNode): boolean {
  return node.addresses.some((address) => contains(prefix, address));
}
