/**
 * What the server asks of a compiled policy. Nodes of one class are treated alike: they see the same
 * peers, have the same packet filter and the same SSH policy; so work and bytes are shared by class.
 */
import type { Address } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import type { Alias, Placed, Policy } from './policy.ts';
import type { PolicyNode, PolicyUser } from './subjects.ts';

/**
 * Name of a class of nodes; the same in every policy that does not tell its nodes apart in another way.
 * A node that announces routes is a class of its own, as its filter names destinations behind it.
 */
export type ClassKey = string;

/** Name of a part of a packet filter (tailcfg MapResponse.PacketFilters): the same as long as the rule says the same. */
export type FilterName = string;

/** A packet filter as its named parts. */
export type NamedFilter = ReadonlyMap<FilterName, readonly FilterRule[]>;

/**
 * What a change has touched. Whoever keeps something for a class drops what is named here; all else is
 * as before.
 */
export interface Effects {
  /** Nodes whose class is another one now, were added, or were removed. */
  readonly reclassed: ReadonlySet<number>;
  /** Parts of filters that differ, by class, of classes that have nodes; a name that is no longer in the filter was removed. */
  readonly filters: ReadonlyMap<ClassKey, ReadonlySet<FilterName>>;
  /** Classes whose SSH policy differs. */
  readonly ssh: ReadonlySet<ClassKey>;
  /** Nodes whose capabilities by `nodeAttrs` differ. */
  readonly attributes: ReadonlySet<number>;
  /**
   * Whether `sees` or `visibleRoutes` may answer differently for classes that exist since before: after a
   * change of the policy itself, and, where it has a `via`, of the routers among which that chooses.
   */
  readonly visibility: boolean;
}

/** A policy made ready for one engine. */
export interface PreparedPolicy {
  readonly policy: Policy;
}

export interface PolicyEngine {
  readonly resolver: Resolver;
  readonly policy: Policy;
  setPolicy(policy: Policy): Effects;
  /** Does of {@link setPolicy} what looks at no users and nodes, a little at each step: they may change meanwhile. */
  prepare(policy: Policy): Generator<void, PreparedPolicy>;
  /** Does the rest, and all of it if another policy was set meanwhile. */
  adopt(prepared: PreparedPolicy): Effects;
  /** Adds or replaces users and nodes, all at once; removes those named. Users first, then nodes. */
  update(change: {
    readonly users?: readonly PolicyUser[];
    readonly removedUsers?: readonly number[];
    readonly nodes?: readonly PolicyNode[];
    readonly removedNodes?: readonly number[];
  }): Effects;

  node(id: number): PolicyNode | undefined;
  nodes(): IterableIterator<PolicyNode>;
  users(): IterableIterator<PolicyUser>;

  /** The class of a node that was added. */
  classOf(id: number): ClassKey;
  /** Whether nodes of one class have those of another as peers: if either may reach the other, or a route of it, in any way. Symmetric; false for a class without nodes. */
  sees(viewer: ClassKey, seen: ClassKey): boolean;
  /** All the classes of which {@link sees} is true. Costs less than asking of each. */
  seenBy(viewer: ClassKey): readonly ClassKey[];
  /**
   * Which of the prefixes that `router` serves now (`served`: it is primary for them; exit routes as
   * 0.0.0.0/0 and ::/0) nodes of a class may use, in the order given: what AllowedIPs holds beside the
   * router's addresses. Honours `via` and `autogroup:internet`: after them come prefixes that the router
   * serves to this class because a `via` steers it there, though another is primary for the rest. None for a
   * class without nodes, or a node that is gone.
   */
  visibleRoutes(viewer: ClassKey, router: number, served: readonly Prefix[]): readonly Prefix[];
  /** The filter of a class as it is sent: a node that announces no routes has `*` for its own addresses. It is good until the next change; parts stay as they are. */
  filter(of: ClassKey): NamedFilter;
  /** The filter of one node in full, destinations spelled out, as the hosted service sends it. */
  filterOf(id: number): readonly FilterRule[];
  /** The same, a little at each step; nothing may be changed meanwhile. */
  filterSteps(id: number): Generator<void, readonly FilterRule[]>;
  ssh(of: ClassKey): SshPolicy;
  /** Capabilities that `nodeAttrs` give a node, beside what all nodes have. */
  attributes(id: number): { readonly [capability: string]: readonly unknown[] | null };
  /**
   * From which prefixes a node with this owner or these tags gets its IPv4 address when it joins: those
   * of the first entry of `nodeAttrs` that means it and has an `ipPool`; empty: none does.
   */
  addressPool(of: Pick<PolicyNode, 'userId' | 'tags'>): readonly Prefix[];
  /** The prefixes of all pools, each once. */
  addressPools(): readonly Prefix[];
  /** Whether a tag is defined and the user may give it to a device. */
  ownsTag(userId: number, tag: string): boolean;
  /** Whether a node with these tags may do the same: a tag can own a tag. */
  tagsOwnTag(tags: readonly string[], tag: string): boolean;
  isTagDefined(tag: string): boolean;
  /** Of announced prefixes those that `autoApprovers` approve for this node, exit routes included. */
  autoApproved(node: PolicyNode): readonly Prefix[];
  /** The node with this address. */
  nodeAt(address: Address): PolicyNode | undefined;
}

/** What an explanation asks of an engine, or of whatever holds in its place. */
export interface Explainable extends Pick<
  PolicyEngine,
  'policy' | 'resolver' | 'node' | 'nodes' | 'users' | 'nodeAt' | 'classOf' | 'visibleRoutes'
> {
  /** Who may talk to whom where the policy has no rules; absent: everybody to everybody. */
  readonly withoutRules?: (a: PolicyNode, b: PolicyNode) => Unruled;
}

/** Whether two nodes may talk, and with what the other forwards for, without any rule; and why, for people. */
export interface Unruled {
  readonly allowed: boolean;
  readonly why: string;
}

/** Who an alias names, for whatever is compiled from a policy. */
export interface Resolver {
  /** Whether a node is meant by an alias; `self` and `internet` mean no node. A prefix means the nodes with an address in it. */
  matches(alias: Alias, node: PolicyNode): boolean;
  /** The nodes that an alias means, by rising id. */
  nodesOf(alias: Alias): readonly PolicyNode[];
  /** The owner of an untagged node. */
  ownerOf(node: PolicyNode): PolicyUser | undefined;
  /** Whether a node satisfies one of the named postures; true when none is named. */
  meets(postures: readonly Placed<string>[], node: PolicyNode): boolean;
}

/** The SHA-256 of a text's UTF-8, in base64url without padding. */
export type Sha256Text = (text: string) => string;

export interface EngineOptions {
  /** Absent: in plain JavaScript. */
  readonly sha256?: Sha256Text | undefined;
  /** Where clients ask whether an SSH session of a check rule may go on; `$SRC_NODE_ID` and such are filled in by clients. */
  readonly sshActionUrl: string;
  /**
   * Which of the nodes that serve a subnet is to be used by sources that a `via` steers to them, by
   * rising id: the one that is primary for all, or one that is up. Absent: the first. It is asked each
   * time.
   */
  readonly choose?: ((route: Prefix, among: readonly number[]) => number | undefined) | undefined;
}
