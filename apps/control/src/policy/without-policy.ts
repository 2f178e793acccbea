/**
 * What holds while no policy is set, over the users and nodes of a tailnet: to be compared with policies,
 * and explained. It is made of the very rules that fan-out goes by. These say only who sees whom; a
 * node's filter lets in whatever comes from there, so sources and destinations are spelled out here.
 */
import { type Address, formatAddress } from '@malla/ip/address';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import type {
  ClassKey,
  EngineOptions,
  Explainable,
  NamedFilter,
  PolicyEngine,
  Resolver,
  Unruled,
} from '@malla/policy/contract';
import { ALLOW_ALL, type Policy } from '@malla/policy/policy';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import type { PolicyDefault } from '../config/config.ts';
import { allowAll, type Rules, sameUser } from '../fanout/rules.ts';
import { type Comparable, servedBy } from './changes.ts';
import { engineFor, type Members } from './engine-for.ts';

const RULES: Readonly<Record<PolicyDefault, Rules>> = {
  'allow-all': allowAll,
  'same-user': sameUser,
};

/** The configured default over users and nodes, which it keeps as they are. */
export async function withoutPolicy(
  configured: PolicyDefault,
  members: Members,
  options: EngineOptions,
): Promise<WithoutPolicy> {
  return new WithoutPolicy(configured, await engineFor(ALLOW_ALL, members, options));
}

export class WithoutPolicy implements Explainable, Comparable {
  readonly #default: PolicyDefault;
  readonly #rules: Rules;
  /** Knows who is who. */
  readonly #members: PolicyEngine;
  /** The class of the rules by a class here. */
  readonly #keys = new Map<ClassKey, ClassKey>();
  /** By class of the rules. */
  readonly #nodesOf = new Map<ClassKey, PolicyNode[]>();
  readonly #sources = new Map<ClassKey, readonly string[]>();

  constructor(configured: PolicyDefault, members: PolicyEngine) {
    this.#default = configured;
    this.#rules = RULES[configured];
    this.#members = members;
    for (const node of members.nodes()) {
      const key = this.#rules.classOf(node);
      this.#keys.set(this.classOf(node.id), key);
      const known = this.#nodesOf.get(key);
      if (known === undefined) this.#nodesOf.set(key, [node]);
      else known.push(node);
    }
  }

  get policy(): Policy {
    return this.#members.policy;
  }

  get resolver(): Resolver {
    return this.#members.resolver;
  }

  node(id: number): PolicyNode | undefined {
    return this.#members.node(id);
  }

  nodes(): IterableIterator<PolicyNode> {
    return this.#members.nodes();
  }

  users(): IterableIterator<PolicyUser> {
    return this.#members.users();
  }

  nodeAt(address: Address): PolicyNode | undefined {
    return this.#members.nodeAt(address);
  }

  /** That of the rules; a node that forwards is a class of its own, as its filter lets in more. */
  classOf(id: number): ClassKey {
    const node = this.#node(id);
    const key = this.#rules.classOf(node);
    return servedBy(node).length === 0 ? key : `${key} ${id}`;
  }

  sees(viewer: ClassKey, seen: ClassKey): boolean {
    const wanted = this.#ruleKey(seen);
    for (const key of this.#rules.seenBy(this.#ruleKey(viewer))) if (key === wanted) return true;
    return false;
  }

  visibleRoutes(viewer: ClassKey, router: number, served: readonly Prefix[]): readonly Prefix[] {
    if (!this.sees(viewer, this.classOf(router))) return [];
    const texts = served.map(formatPrefix);
    const visible = new Set(this.#rules.visibleRoutes(this.#ruleKey(viewer), router, texts));
    return served.filter((_, i) => visible.has(texts[i] ?? ''));
  }

  filter(of: ClassKey): NamedFilter {
    const key = this.#ruleKey(of);
    const parts = this.#rules.filter(key);
    return new Map(
      [...parts.keys()].map((name) => {
        const rules = JSON.parse(parts.get(name) ?? '[]') as readonly FilterRule[];
        return [
          name,
          // `*` is whoever is a peer, or behind one.
          rules.map((rule) => ({ ...rule, SrcIPs: this.#peersOf(key) })),
        ] as const;
      }),
    );
  }

  ssh(of: ClassKey): SshPolicy {
    return JSON.parse(this.#rules.ssh(this.#ruleKey(of))) as SshPolicy;
  }

  attributes(): Record<string, never> {
    return {};
  }

  readonly withoutRules = (a: PolicyNode, b: PolicyNode): Unruled => {
    const [from, to] = [this.#rules.classOf(a), this.#rules.classOf(b)];
    const allowed = [...this.#rules.seenBy(from)].includes(to);
    return { allowed, why: `no policy is set: ${this.#why(allowed, a, b)}` };
  };

  #why(allowed: boolean, a: PolicyNode, b: PolicyNode): string {
    if (this.#default === 'allow-all') return 'everything is allowed';
    const tagged = [a, b].filter(({ tags }) => tags.length > 0).length;
    if (allowed) {
      const who = tagged === 0 ? 'devices of one user' : 'tagged devices';
      return `${who} reach each other and what is behind them`;
    }
    return tagged === 0
      ? 'devices of different users do not reach each other'
      : 'tagged devices and those of users do not reach each other';
  }

  #peersOf(key: ClassKey): readonly string[] {
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    const texts = [...this.#rules.seenBy(key)].flatMap((seen) =>
      (this.#nodesOf.get(seen) ?? []).flatMap(({ addresses, routes }) => [
        ...addresses.map(formatAddress),
        ...routes.map(formatPrefix),
      ]),
    );
    this.#sources.set(key, texts);
    return texts;
  }

  #ruleKey(key: ClassKey): ClassKey {
    const found = this.#keys.get(key);
    if (found === undefined) throw new Error(`there is no class ${key}`);
    return found;
  }

  #node(id: number): PolicyNode {
    const node = this.#members.node(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }
}
