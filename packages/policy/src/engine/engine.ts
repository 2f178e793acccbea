/**
 * The policy engine: a policy compiled to rules between classes of nodes, kept true as users, nodes and
 * the policy change. A change costs what it touches: nodes are put into classes anew only when selectors
 * that mean them come, go or mean something else, and texts are made again only when asked for.
 */
import type { Address } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import type { Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import { autoApproved, ownsTag, tagsOwnTag } from './approval.ts';
import { AttributeTable } from './attribute-table.ts';
import { bitsOf, commonBits, equalBits, intersects, replaceBits } from './bits.ts';
import { Account, ChangeIndex, changesListed } from './changes.ts';
import { ClassTable, type NodeClass } from './classes.ts';
import type {
  ClassKey,
  Effects,
  EngineOptions,
  NamedFilter,
  PolicyEngine,
  PreparedPolicy,
  Resolver,
} from '../contract.ts';
import { Directory } from './directory.ts';
import { plainSha256 } from './digest.ts';
import { Filters, givesSelf } from './filter.ts';
import { Matcher } from './matcher.ts';
import { type CompiledRule, type Plan, planOf, planSteps } from './plan.ts';
import { allPools, type Newcomer, poolFor } from './pools.ts';
import { type NodeChange, type NodeRecord, Population } from './population.ts';
import { Reach } from './reach.ts';
import { EngineResolver } from './resolver.ts';
import { outsideAddresses, RuleSources } from './rule-sources.ts';
import { ANY, DANGER_ALL } from './selector.ts';
import { addMeant, SshPolicies } from './ssh-policies.ts';
import { comparePlans, type PlanChange } from './plan-change.ts';
import { sourceAddress } from './sources.ts';
import { finished } from './steps.ts';

/** Makes an engine over a policy and no nodes. */
export function createEngine(policy: Policy, options: EngineOptions): PolicyEngine {
  return new Engine(policy, options);
}

class Engine implements PolicyEngine {
  readonly #options: EngineOptions;
  readonly #directory = new Directory();
  readonly #population = new Population();
  readonly #classes = new ClassTable();
  readonly #resolver: EngineResolver;
  readonly #sources: RuleSources;
  readonly #filters: Filters;
  readonly #ssh: SshPolicies;
  readonly #attributes: AttributeTable;
  #plan: Plan;
  #matcher: Matcher;
  #reach: Reach;

  constructor(policy: Policy, options: EngineOptions) {
    this.#options = options;
    this.#plan = planOf(policy, undefined, options.sha256 ?? plainSha256);
    this.#resolver = new EngineResolver(this.#directory, this);
    this.#sources = new RuleSources(this.#plan, this.#population);
    this.#filters = new Filters(this.#plan, this.#sources);
    this.#ssh = new SshPolicies(this.#plan, this.#resolver, options);
    this.#attributes = new AttributeTable(policy, this.#resolver);
    this.#matcher = this.#matcherOf(this.#plan);
    this.#reach = new Reach(this.#plan, this.#population, options);
  }

  get policy(): Policy {
    return this.#plan.policy;
  }

  get resolver(): Resolver {
    return this.#resolver;
  }

  update(change: {
    readonly users?: readonly PolicyUser[];
    readonly removedUsers?: readonly number[];
    readonly nodes?: readonly PolicyNode[];
    readonly removedNodes?: readonly number[];
  }): Effects {
    const touchedUsers = new Set<number>();
    for (const id of change.removedUsers ?? []) {
      for (const each of this.#directory.remove(id)) touchedUsers.add(each);
    }
    for (const user of change.users ?? []) {
      for (const each of this.#directory.set(user)) touchedUsers.add(each);
    }
    const touched = new Map<number, PolicyNode | undefined>();
    for (const user of touchedUsers) {
      this.#matcher.forget(user);
      for (const id of this.#population.ofOwner(user)) touched.set(id, this.node(id));
    }
    for (const id of change.removedNodes ?? []) touched.set(id, undefined);
    for (const node of change.nodes ?? []) touched.set(node.id, node);
    this.#resolver.forget();

    const created = new Set<NodeClass>();
    const account = new Account(created);
    const changes: NodeChange[] = [];
    for (const [id, node] of touched) {
      const before = this.#population.get(id);
      const after = node === undefined ? undefined : this.#record(node, before, created);
      if (before !== undefined || after !== undefined) changes.push({ before, after });
    }
    this.#settle(changes, created, account);
    for (const { before, after } of changes) {
      const id = this.#attributes.change(before?.node.id, after?.node);
      if (id !== undefined) account.attributes(id);
    }
    return account.effects();
  }

  setPolicy(policy: Policy): Effects {
    return this.adopt(finished(this.prepare(policy)));
  }

  *prepare(policy: Policy): Generator<void, Prepared> {
    const before = this.#plan;
    const plan = yield* planSteps(policy, before, before.sha256);
    yield;
    const change = comparePlans(before, plan);
    yield;
    return new Prepared(before, plan, change, this.#matcherOf(plan));
  }

  adopt(prepared: PreparedPolicy): Effects {
    // The numbers of selectors follow from the plan before.
    if (!(prepared instanceof Prepared) || prepared.before !== this.#plan) {
      return this.setPolicy(prepared.policy);
    }
    const { plan, change, matcher } = prepared;
    const { policy } = plan;
    const created = new Set<NodeClass>();
    const account = new Account(created);
    account.visibility = change.visibility;
    for (const rule of change.goneRules) this.#nameRule(rule, account);
    const ssh = this.#ssh.replan(plan);
    const speaksOf = new Set<NodeClass>();
    for (const rule of ssh.gone) addMeant(rule, this.#classes, speaksOf, true);

    this.#plan = plan;
    this.#matcher = matcher;
    this.#sources.replan(plan, change.selectors);
    this.#filters.replan(plan);
    this.#resolver.forget();
    this.#settle(this.#rematch(change, created), created, account, change);
    this.#reach = new Reach(plan, this.#population, this.#options);

    for (const rule of change.newRules) this.#nameRule(rule, account);
    for (const rule of ssh.come) addMeant(rule, this.#classes, speaksOf, true);
    for (const each of speaksOf) this.#nameSsh(each, account);
    for (const id of this.#attributes.replan(policy, this.#population.nodes()))
      account.attributes(id);
    for (const [each, names] of account.filtered()) this.#filters.dropOf(each, names);
    return account.effects();
  }

  node(id: number): PolicyNode | undefined {
    return this.#population.get(id)?.node;
  }

  nodes(): IterableIterator<PolicyNode> {
    return this.#population.nodes();
  }

  users(): IterableIterator<PolicyUser> {
    return this.#directory.users();
  }

  classOf(id: number): ClassKey {
    return this.#recordOf(id).nodeClass.key;
  }

  sees(viewer: ClassKey, seen: ClassKey): boolean {
    const [a, b] = [this.#classes.get(viewer), this.#classes.get(seen)];
    return a !== undefined && b !== undefined && this.#reach.sees(a, b);
  }

  seenBy(viewer: ClassKey): readonly ClassKey[] {
    const from = this.#classes.get(viewer);
    return from === undefined ? [] : this.#reach.seenBy(from, this.#classes).map(({ key }) => key);
  }

  visibleRoutes(viewer: ClassKey, router: number, served: readonly Prefix[]): readonly Prefix[] {
    const from = this.#classes.get(viewer);
    const node = this.node(router);
    if (from === undefined || node === undefined) return [];
    return this.#reach.visibleRoutes(from, node, served);
  }

  filter(of: ClassKey): NamedFilter {
    return this.#filters.ofClass(this.#class(of));
  }

  filterOf(id: number): readonly FilterRule[] {
    const { node, nodeClass } = this.#recordOf(id);
    return this.#filters.ofNode(node, nodeClass);
  }

  filterSteps(id: number): Generator<void, readonly FilterRule[]> {
    const { node, nodeClass } = this.#recordOf(id);
    return this.#filters.stepsOfNode(node, nodeClass);
  }

  ssh(of: ClassKey): SshPolicy {
    const nodeClass = this.#class(of);
    const [first] = nodeClass.nodes;
    if (first === undefined) throw new Error(`class ${of} has no node`);
    return this.#ssh.of(nodeClass, this.#recordOf(first).node);
  }

  attributes(id: number): { readonly [capability: string]: readonly unknown[] | null } {
    return this.#attributes.of(this.#recordOf(id).node);
  }

  addressPool(of: Newcomer): readonly Prefix[] {
    return poolFor(this.policy, this.#resolver, of);
  }

  addressPools(): readonly Prefix[] {
    return allPools(this.policy);
  }

  ownsTag(userId: number, tag: string): boolean {
    const user = this.#directory.get(userId);
    return user !== undefined && ownsTag(this.policy, this.#resolver, user, tag);
  }

  tagsOwnTag(tags: readonly string[], tag: string): boolean {
    return tagsOwnTag(this.policy, tags, tag);
  }

  isTagDefined(tag: string): boolean {
    return this.policy.tagOwners.has(tag);
  }

  autoApproved(node: PolicyNode): readonly Prefix[] {
    return autoApproved(this.policy, this.#resolver, node);
  }

  nodeAt(address: Address): PolicyNode | undefined {
    return this.#population.at(address);
  }

  #class(key: ClassKey): NodeClass {
    const found = this.#classes.get(key);
    if (found === undefined) throw new Error(`there is no class ${key}`);
    return found;
  }

  #recordOf(id: number): NodeRecord {
    const record = this.#population.get(id);
    if (record === undefined) throw new Error(`there is no node ${id}`);
    return record;
  }

  #matcherOf(plan: Plan): Matcher {
    return new Matcher(plan.selectors, plan.selectors.length, plan.policy, this.#directory);
  }

  /** A node as it is to be kept from now on, in its class. */
  #record(
    node: PolicyNode,
    before: NodeRecord | undefined,
    created: Set<NodeClass>,
    bits = this.#matcher.match(node),
  ): NodeRecord {
    const owner = this.#resolver.ownerOf(node);
    const nodeClass = this.#classFor(node, owner, bits, before, created);
    const same = before?.node.addresses === node.addresses;
    const addresses = same ? before.addresses : node.addresses.map(sourceAddress);
    return { node, owner, bits, nodeClass, addresses };
  }

  #classFor(
    node: PolicyNode,
    owner: PolicyUser | undefined,
    bits: NodeRecord['bits'],
    before: NodeRecord | undefined,
    created: Set<NodeClass>,
  ): NodeClass {
    const found = this.#classes.join(node, owner?.id, bits, this.#plan);
    if (found.nodes.size === 1 && found !== before?.nodeClass) created.add(found);
    return found;
  }

  /** Matches all nodes with the selectors that have changed, and puts those into classes that it may move. */
  #rematch(change: PlanChange, created: Set<NodeClass>): readonly NodeChange[] {
    const { selectors, classing } = this.#plan;
    const { reclassesAll, retold } = change;
    if (change.selectors.length === 0 && !reclassesAll && !retold) return [];
    const size = Math.max(selectors.length, ...change.selectors.map((index) => index + 1));
    const mask = bitsOf(change.selectors, size);
    const changed = change.selectors.map((index) => selectors[index]);
    const matcher = new Matcher(changed, size, this.policy, this.#directory);
    const changes: NodeChange[] = [];
    for (const before of this.#population.records()) {
      const { node, nodeClass } = before;
      const found: number[] = [];
      matcher.each(node, (index) => found.push(index));
      const untouched = found.length === 0 && !intersects(before.bits, mask);
      const bits = untouched ? before.bits : replaceBits(before.bits, mask, bitsOf(found, size));
      const same = untouched || equalBits(bits, before.bits);
      if (same && !reclassesAll && nodeClass.router === undefined) {
        if (!retold || equalBits(commonBits(bits, classing), nodeClass.own)) continue;
      }
      changes.push({ before, after: this.#record(node, before, created, bits) });
    }
    return changes;
  }

  /** Takes in changes of nodes whose classes are joined already, and says what they do. */
  #settle(
    changes: readonly NodeChange[],
    created: ReadonlySet<NodeClass>,
    account: Account,
    plan?: PlanChange,
  ): void {
    const routesBefore = this.#population.routes().join();
    let outside = false;
    for (const change of changes) {
      const { before, after } = change;
      this.#population.apply(change);
      this.#sources.apply(change);
      outside ||= outsideText(before) !== outsideText(after);
      if (before !== undefined && before.nodeClass !== after?.nodeClass) {
        this.#classes.leave(before.nodeClass, before.node.id);
      }
      const id = before?.node.id ?? after?.node.id;
      if (id === undefined || before?.nodeClass.key === after?.nodeClass.key) continue;
      account.reclassed(id);
      const routes = before?.nodeClass.router ?? after?.nodeClass.router;
      account.visibility ||= this.#plan.steers && routes !== undefined;
    }
    const index = new ChangeIndex(changes);
    const everybody = outside || this.#population.routes().join() !== routesBefore;
    const fresh = new Set(plan?.newRules);
    for (const rule of this.#plan.rules.values()) {
      if (fresh.has(rule)) continue;
      const everyone = rule.sources.includes(ANY) && !rule.sources.includes(DANGER_ALL);
      const behind = rule.sources.some((source) => this.#plan.selectors[source]?.behind === true);
      const redefined = plan?.redefines(rule) === true;
      const listed = this.#changesList(rule, index);
      if (redefined || listed || (everybody && (everyone || behind))) {
        const known = this.#sources.known(rule);
        this.#filters.drop(rule.name);
        // Under `*` and `danger-all` it does not matter who else is listed.
        const differ =
          redefined ||
          (everyone || (behind && !listed)
            ? everybody && !sameTexts(known, this.#sources.of(rule, 'ranges'))
            : !rule.sources.includes(DANGER_ALL));
        if (differ) this.#nameTargets(rule, account);
      }
      this.#nameOwners(rule, index, account);
    }
    for (const each of created) {
      for (const rule of this.#plan.rules.values()) {
        if (this.#filters.applies(rule, each)) account.part(each, rule.name);
      }
      if (this.#ssh.applies(each)) account.ssh(each);
    }
    for (const each of this.#ssh.touched(index, this.#classes)) this.#nameSsh(each, account);
    for (const [each, names] of account.filtered()) this.#filters.dropOf(each, names);
  }

  #changesList(rule: CompiledRule, index: ChangeIndex): boolean {
    for (const change of index.touching(rule.listing)) {
      if (changesListed(rule.listing, this.#plan, change)) return true;
    }
    return false;
  }

  /** Names what a rule gives between the nodes of owners whose nodes have changed. */
  #nameOwners(rule: CompiledRule, index: ChangeIndex, account: Account): void {
    if (rule.self.length === 0) return;
    for (const change of index.touching(rule.sources)) {
      for (const id of new Set([change.before?.owner?.id, change.after?.owner?.id])) {
        if (id === undefined) continue;
        const own = {
          before: change.before?.owner?.id === id ? change.before : undefined,
          after: change.after?.owner?.id === id ? change.after : undefined,
        };
        if (!changesListed(rule.sources, this.#plan, own)) continue;
        this.#nameOwner(rule, id, account);
      }
    }
  }

  #nameOwner(rule: CompiledRule, owner: number, account: Account): void {
    for (const each of this.#classes.ofOwner(owner)) {
      if (givesSelf(rule, each)) account.filter(each, rule.name);
    }
  }

  #nameTargets(rule: CompiledRule, account: Account): void {
    for (const { index } of rule.targets) {
      for (const each of this.#classes.withTarget(index)) {
        if (each.router === undefined || this.#filters.gives(rule, each)) {
          account.filter(each, rule.name);
        }
      }
    }
  }

  /** Names the part of every class to which a rule gives something. */
  #nameRule(rule: CompiledRule, account: Account): void {
    if (!this.#sources.isEmpty(rule)) this.#nameTargets(rule, account);
    if (rule.self.length === 0) return;
    for (const id of this.#classes.owners()) {
      if (this.#sources.hasOwner(rule, id)) this.#nameOwner(rule, id, account);
    }
  }

  #nameSsh(nodeClass: NodeClass, account: Account): void {
    this.#ssh.drop(nodeClass);
    account.ssh(nodeClass);
  }
}

/** What a policy is to an engine with the plan `before`. */
class Prepared implements PreparedPolicy {
  readonly before: Plan;
  readonly plan: Plan;
  readonly change: PlanChange;
  /** As long as nothing is asked of it, it knows nothing of users. */
  readonly matcher: Matcher;

  constructor(before: Plan, plan: Plan, change: PlanChange, matcher: Matcher) {
    this.before = before;
    this.plan = plan;
    this.change = change;
    this.matcher = matcher;
  }

  get policy(): Policy {
    return this.plan.policy;
  }
}

function outsideText(record: NodeRecord | undefined): string {
  return outsideAddresses(record)
    .map(({ text }) => text)
    .join();
}

function sameTexts(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a?.length === b.length && a.every((text, i) => text === b[i]);
}
