/**
 * Who an alias names, asked of one node: for what is compiled apart from the rules (SSH policies, node
 * attributes, approvals) and for explanations.
 */
import { contains } from '@malla/ip/prefix';
import { meetsPostures } from '../posture/evaluate.ts';
import type { Alias, Placed, Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import type { Resolver } from '../contract.ts';
import type { Directory } from './directory.ts';
import { domainOf, traitsOf } from './matcher.ts';
import { aliasText, prefixesOf } from './selector.ts';

/** What a resolver asks; it changes under it. */
export interface Tailnet {
  readonly policy: Policy;
  nodes(): IterableIterator<PolicyNode>;
}

export class EngineResolver implements Resolver {
  readonly #directory: Directory;
  readonly #tailnet: Tailnet;
  readonly #groups = new Map<string, ReadonlySet<number>>();
  readonly #nodesOf = new Map<string, readonly PolicyNode[]>();

  constructor(directory: Directory, tailnet: Tailnet) {
    this.#directory = directory;
    this.#tailnet = tailnet;
  }

  /** To be called when users, nodes or the policy have changed. */
  forget(): void {
    this.#groups.clear();
    this.#nodesOf.clear();
  }

  matches(alias: Alias, node: PolicyNode): boolean {
    switch (alias.kind) {
      case 'any':
        return true;
      case 'tag':
        return node.tags.includes(alias.name);
      case 'autogroup':
        if (alias.name === 'danger-all') return true;
        if (alias.name === 'tagged') return node.tags.length > 0;
        if (alias.name === 'self' || alias.name === 'internet') return false;
        break;
      case 'host':
      case 'ipset':
      case 'prefix': {
        const prefixes = prefixesOf(alias, this.#tailnet.policy);
        return node.addresses.some((each) => prefixes.some((prefix) => contains(prefix, each)));
      }
      case 'user':
      case 'domain':
      case 'group':
    }
    const owner = this.ownerOf(node);
    return owner !== undefined && this.matchesUser(alias, owner);
  }

  /** Whether an alias means a user; one for nodes means none. */
  matchesUser(alias: Alias, user: PolicyUser): boolean {
    switch (alias.kind) {
      case 'user':
        return this.#directory.means(alias.name, user.id);
      case 'domain':
        return domainOf(user) === alias.domain.toLowerCase();
      case 'group':
        return this.#membersOf(alias.name).has(user.id);
      case 'autogroup':
        return traitsOf(user).some((trait) => trait === alias.name);
      case 'any':
      case 'tag':
      case 'host':
      case 'ipset':
      case 'prefix':
        return false;
    }
  }

  nodesOf(alias: Alias): readonly PolicyNode[] {
    const text = aliasText(alias);
    const known = this.#nodesOf.get(text);
    if (known !== undefined) return known;
    const found: PolicyNode[] = [];
    for (const node of this.#tailnet.nodes()) if (this.matches(alias, node)) found.push(node);
    found.sort((a, b) => a.id - b.id);
    this.#nodesOf.set(text, found);
    return found;
  }

  ownerOf(node: PolicyNode): PolicyUser | undefined {
    if (node.tags.length > 0 || node.userId === undefined) return undefined;
    return this.#directory.get(node.userId);
  }

  meets(postures: readonly Placed<string>[], node: PolicyNode): boolean {
    const names = postures.map(({ value }) => value);
    return meetsPostures(this.#tailnet.policy, names, node.posture);
  }

  #membersOf(group: string): ReadonlySet<number> {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    const texts = this.#tailnet.policy.groups.get(group) ?? [];
    const members = new Set(texts.flatMap(({ value }) => [...this.#directory.resolve(value)]));
    this.#groups.set(group, members);
    return members;
  }
}
