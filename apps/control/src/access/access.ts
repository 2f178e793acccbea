/**
 * Who may reach what in one tailnet: the policy in force, or the default without one, kept true as
 * nodes and users change. Tells fan-out what a change has touched.
 */
import { SUGGEST_EXIT_NODE } from '@malla/wire/tailcfg/node-attributes';
import type { Prefix } from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { User } from '@malla/netmap/user';
import { usesIpv4 } from '@malla/policy/attributes/ipv4';
import type { EngineOptions, PolicyEngine } from '@malla/policy/contract';
import { createEngine } from '@malla/policy/engine/engine';
import type { Policy } from '@malla/policy/policy';
import type { PostureAttributes } from '@malla/policy/subjects';
import type { AddressPools } from '../core/addresses.ts';
import type { Change } from '../core/change.ts';
import { NO_TAG_POLICY, type TagPolicy } from '../core/tags.ts';
import type { RulesChange } from '../fanout/class-views.ts';
import { allowAll, type Rules, sameUser } from '../fanout/rules.ts';
import { differsForPolicy, policyNode, policyUser } from './policy-node.ts';
import { policyRules, rulesChange } from './policy-rules.ts';

/** What holds while there is no policy. */
export type DefaultRule = 'same-user' | 'allow-all';

export interface AccessOptions {
  readonly default: DefaultRule;
  readonly engine: EngineOptions;
  /** The rows as they are, also while they change between two that are taken. */
  readonly nodes: () => Iterable<Node>;
  readonly users: () => Iterable<User>;
  /** What a node was asked of its device's posture. */
  readonly posture: (id: NodeId) => PostureAttributes | undefined;
}

/** Capabilities of an exit node that its peers are told of. Observed: the hosted service, April 2026. */
const OF_EXIT_NODES: readonly string[] = [SUGGEST_EXIT_NODE];

const NO_CAPABILITIES: CapMap = {};

export class Access {
  readonly #options: AccessOptions;
  #engine: PolicyEngine | undefined;
  /** One that is made ready beside the default, and told of what changes. */
  #next: PolicyEngine | undefined;
  #rules: Rules;

  /** Begins with the default. */
  constructor(options: AccessOptions) {
    this.#options = options;
    this.#rules = this.#start(undefined);
  }

  get rules(): Rules {
    return this.#rules;
  }

  /** The policy at work; undefined while the default holds. */
  get engine(): PolicyEngine | undefined {
    return this.#engine;
  }

  /**
   * Puts a policy in force, or with undefined the default. What the change has touched; undefined when
   * all rules are others now (then {@link rules} are to be taken anew).
   */
  setPolicy(policy: Policy | undefined): RulesChange | undefined {
    if (policy !== undefined && this.#engine !== undefined)
      return rulesChange(this.#engine.setPolicy(policy));
    this.#rules = this.#start(policy);
    return undefined;
  }

  /**
   * Makes ready what is to be in force, a little at each step, while rows change and what is in force stays so.
   * Ends with what puts it in force, as {@link setPolicy}. Of several, the one begun last counts.
   *
   * @yields Nothing.
   */
  *prepare(policy: Policy | undefined): Generator<void, () => RulesChange | undefined> {
    this.#next = undefined;
    if (policy === undefined) return () => this.setPolicy(undefined);
    const engine = this.#engine;
    if (engine !== undefined) {
      const prepared = yield* engine.prepare(policy);
      // Everything may have been made anew meanwhile.
      return () =>
        this.#engine === engine ? rulesChange(engine.adopt(prepared)) : this.setPolicy(policy);
    }
    const next = createEngine(policy, this.#options.engine);
    this.#next = next;
    yield;
    next.update({ users: [...this.#options.users()].map(policyUser) });
    for (const node of this.#options.nodes()) {
      next.update({ nodes: [this.#policyNode(node)] });
      yield;
    }
    return () => {
      if (this.#next !== next || this.#engine !== undefined) return this.setPolicy(policy);
      this.#use(next);
      return undefined;
    };
  }

  /** Makes everything anew of the rows there are; {@link rules} are others then. */
  rebuild(): void {
    this.#rules = this.#start(this.#engine?.policy);
  }

  /** Takes in changed rows; what that has touched, if anything. */
  apply(changes: readonly Change[]): RulesChange | undefined {
    if (this.#engine === undefined && this.#next === undefined) return undefined;
    const users = new Map<number, User | undefined>();
    const nodes = new Map<NodeId, Node | undefined>();
    for (const change of changes) {
      if (change.table === 'user') users.set(change.id, change.after);
      else if (change.table === 'node' && concerns(change.before, change.after)) {
        nodes.set(change.id, change.after);
      }
    }
    if (users.size === 0 && nodes.size === 0) return undefined;
    return this.#update({
      users: present(users).map(policyUser),
      removedUsers: absent(users),
      nodes: present(nodes).map((node) => this.#policyNode(node)),
      removedNodes: absent(nodes),
    });
  }

  /** The answer of a node about its device has changed. */
  postureChanged(node: Node): RulesChange | undefined {
    return this.#update({ nodes: [this.#policyNode(node)] });
  }

  /** Capabilities that the policy gives a node; none for one that was deleted. */
  attributes(id: NodeId): CapMap {
    if (this.#engine?.node(id) === undefined) return NO_CAPABILITIES;
    return this.#engine.attributes(id);
  }

  /** Whether a node uses its IPv4 address, if it has one of IPv6 as well. */
  usesIpv4(id: NodeId): boolean {
    const node = this.#engine?.node(id);
    return this.#engine === undefined || node === undefined || usesIpv4(this.#engine, node);
  }

  /** What its peers are told of them, and of `others`, which it has otherwise. */
  peerAttributes(id: NodeId, others: CapMap): CapMap | undefined {
    const all = this.attributes(id);
    const shown = this.#engine?.node(id)?.exitNode === true ? OF_EXIT_NODES : [];
    const own = shown.filter((name) => Object.hasOwn(all, name)).map((name) => [name, all[name]]);
    if (own.length === 0) return Object.keys(others).length === 0 ? undefined : others;
    return { ...others, ...(Object.fromEntries(own) as CapMap) };
  }

  /** Which tags may be given to whom. */
  readonly tagPolicy: TagPolicy = {
    isDefined: (tag) => this.#engine?.isTagDefined(tag) ?? NO_TAG_POLICY.isDefined(tag),
    owns: (userId, tag) => this.#engine?.ownsTag(userId, tag) ?? NO_TAG_POLICY.owns(userId, tag),
  };

  /** The routes of those that a node offers which the policy approves by itself. */
  readonly autoApproved = (node: Node): readonly Prefix[] =>
    this.#engine?.autoApproved(this.#policyNode(node)) ?? [];

  /** From where nodes that join get their IPv4 address. */
  readonly addressPools: AddressPools = {
    poolFor: (owner) => this.#engine?.addressPool(owner) ?? [],
    all: () => this.#engine?.addressPools() ?? [],
  };

  #start(policy: Policy | undefined): Rules {
    this.#engine = undefined;
    this.#next = undefined;
    if (policy === undefined) return this.#options.default === 'allow-all' ? allowAll : sameUser;
    const engine = createEngine(policy, this.#options.engine);
    engine.update({
      users: [...this.#options.users()].map(policyUser),
      nodes: [...this.#options.nodes()].map((node) => this.#policyNode(node)),
    });
    return this.#use(engine);
  }

  #use(engine: PolicyEngine): Rules {
    this.#next = undefined;
    this.#engine = engine;
    this.#rules = policyRules(engine);
    return this.#rules;
  }

  #update(change: Parameters<PolicyEngine['update']>[0]): RulesChange | undefined {
    this.#next?.update(change);
    return this.#engine && rulesChange(this.#engine.update(change));
  }

  #policyNode(node: Node): ReturnType<typeof policyNode> {
    return policyNode(node, this.#options.posture(node.id));
  }
}

function concerns(before: Node | undefined, after: Node | undefined): boolean {
  return before === undefined || after === undefined || differsForPolicy(before, after);
}

function present<Row>(rows: ReadonlyMap<number, Row | undefined>): Row[] {
  return [...rows.values()].filter((row) => row !== undefined);
}

function absent(rows: ReadonlyMap<number, unknown>): number[] {
  return [...rows].filter(([, row]) => row === undefined).map(([id]) => id);
}
