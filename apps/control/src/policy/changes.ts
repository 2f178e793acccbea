/**
 * What would change for whom if another policy came into force, or none: what holds before and after over
 * the same tailnet, compared class by class. Nodes whose class is the same before and the same after change alike, so
 * they are compared once and told together.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { ClassKey, NamedFilter, PolicyEngine } from '@malla/policy/contract';
import type { PolicyNode } from '@malla/policy/subjects';
import { compareOpenings, type Openings, openingsOf } from './openings.ts';
import type { Login, Names, PolicyChange } from './policy-change.ts';
import { ANYONE, type Delta, deltaOf, SourceNames } from './source-names.ts';

/** What a comparison asks of an engine, or of whatever holds in its place. */
export type Comparable = Pick<
  PolicyEngine,
  'nodes' | 'classOf' | 'sees' | 'visibleRoutes' | 'filter' | 'ssh' | 'attributes'
>;

export interface PolicyChanges {
  readonly changes: readonly PolicyChange[];
  /** Nodes that were not compared, as there are too many. */
  readonly omitted: number;
}

/** Names that one list gives; it counts all. */
const MAX_NAMES = 50;
/** Pairs of classes that are compared; a million are about a second. */
const MAX_PAIRS = 2_000_000;
/** Kinds of change that are told: more than anybody reads. */
const MAX_CHANGES = 200;
/** Nodes looked at before others may use the thread. Classes are looked at one by one: one takes ten milliseconds. */
const AT_ONCE = 250;

/** Compares. `nameOf` is what people call a node. Both have the same nodes, and keep them meanwhile. */
export async function comparePolicies(
  before: Comparable,
  after: Comparable,
  nameOf: (id: number) => string,
): Promise<PolicyChanges> {
  const groups = await groupNodes(before, after);
  for (const group of groups) {
    group.isRefiltered = !isSame(before.filter(group.before), after.filter(group.after));
    await turn();
  }
  const comparison = new Comparison(before, after, groups, nameOf);
  const changes: PolicyChange[] = [];
  let compared = 0;
  for (const group of groups) {
    if (comparison.pairs >= MAX_PAIRS || changes.length === MAX_CHANGES) break;
    const change = comparison.changeFor(group);
    if (change !== undefined) changes.push(change);
    compared++;
    await turn();
  }
  const omitted = groups.slice(compared).reduce((sum, { nodes }) => sum + nodes.length, 0);
  return { changes, omitted };
}

/** Nodes that change alike. */
interface Group {
  readonly before: ClassKey;
  readonly after: ClassKey;
  readonly nodes: PolicyNode[];
  readonly attributes: Delta;
  /** Whether others may open something else on them than before. */
  isRefiltered: boolean;
}

async function groupNodes(before: Comparable, after: Comparable): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  let looked = 0;
  for (const node of before.nodes()) {
    if (++looked % AT_ONCE === 0) await turn();
    const classes = { before: before.classOf(node.id), after: after.classOf(node.id) };
    const attributes = deltaOf(
      new Set(attributesOf(before.attributes(node.id))),
      new Set(attributesOf(after.attributes(node.id))),
    );
    const key = JSON.stringify([classes, attributes]);
    const group = groups.get(key);
    if (group !== undefined) group.nodes.push(node);
    else groups.set(key, { ...classes, nodes: [node], attributes, isRefiltered: false });
  }
  return [...groups.values()];
}

class Comparison {
  /** How many pairs of classes were compared. */
  pairs = 0;
  readonly #before: Comparable;
  readonly #after: Comparable;
  readonly #groups: readonly Group[];
  readonly #refiltered: readonly Group[];
  readonly #nameOf: (id: number) => string;
  readonly #routers: readonly PolicyNode[];
  readonly #sources: SourceNames;

  constructor(
    before: Comparable,
    after: Comparable,
    groups: readonly Group[],
    nameOf: (id: number) => string,
  ) {
    this.#before = before;
    this.#after = after;
    this.#groups = groups;
    this.#refiltered = groups.filter(({ isRefiltered }) => isRefiltered);
    this.#nameOf = nameOf;
    this.#routers = [...before.nodes()].filter((node) => servedBy(node).length > 0);
    this.#sources = new SourceNames(before.nodes(), nameOf);
  }

  /** Undefined: nothing. */
  changeFor(group: Group): PolicyChange | undefined {
    this.pairs += this.#routers.length;
    const routes = deltaOf(
      new Set(this.#routesOf(this.#before, group.before, group)),
      new Set(this.#routesOf(this.#after, group.after, group)),
    );
    const { attributes } = group;
    const change: PolicyChange = {
      nodes: this.#names(group.nodes),
      peers: this.#peers(group),
      access: this.#access(group),
      routes: { gained: names(routes.gained), lost: names(routes.lost) },
      ssh: this.#ssh(group),
      attributes: { gained: names(attributes.gained), lost: names(attributes.lost) },
    };
    const few = [change.peers, change.routes, change.attributes];
    const many = [change.access, change.ssh];
    const isNothing =
      few.every(({ gained, lost }) => gained.count + lost.count === 0) &&
      many.every(({ gained, lost }) => gained.length + lost.length === 0);
    return isNothing ? undefined : change;
  }

  #peers(viewer: Group): PolicyChange['peers'] {
    const gained: PolicyNode[] = [];
    const lost: PolicyNode[] = [];
    // Two see each other if either lets the other in.
    const candidates = viewer.isRefiltered ? this.#groups : this.#refiltered;
    this.pairs += candidates.length;
    for (const seen of candidates) {
      // A node is no peer of its own.
      if (seen === viewer && seen.nodes.length === 1) continue;
      const had = this.#before.sees(viewer.before, seen.before);
      const has = this.#after.sees(viewer.after, seen.after);
      if (had === has) continue;
      const list = has ? gained : lost;
      for (const node of seen.nodes) list.push(node);
    }
    return { gained: this.#names(gained), lost: this.#names(lost) };
  }

  #access(group: Group): PolicyChange['access'] {
    const [node] = group.nodes;
    if (!group.isRefiltered || node === undefined) return { gained: [], lost: [] };
    const openings = (filter: NamedFilter): Openings => openingsOf(filter, node, this.#sources);
    return compareOpenings(
      openings(this.#before.filter(group.before)),
      openings(this.#after.filter(group.after)),
      { sources: this.#sources, own: this.#ownOf(group), names },
    );
  }

  /** A node by itself, and the subnets to which it alone has the way. */
  #ownOf({ nodes }: Group): ReadonlySet<string> {
    const [node, ...more] = nodes;
    if (node === undefined || more.length > 0) return NOBODY;
    const others = this.#routers.filter(({ id }) => id !== node.id);
    const elsewhere = new Set(others.flatMap(({ routes }) => routes.map(formatPrefix)));
    const alone = node.routes.map(formatPrefix).filter((route) => !elsewhere.has(route));
    return new Set([this.#nameOf(node.id), ...alone]);
  }

  #ssh(group: Group): PolicyChange['ssh'] {
    const before = this.#logins(this.#before, group.before);
    const after = this.#logins(this.#after, group.after);
    const gained: Login[] = [];
    const lost: Login[] = [];
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      const [user = '', kind] = key.split('\0');
      const action = kind === 'check' ? 'check' : 'accept';
      const delta = deltaOf(before.get(key) ?? NOBODY, after.get(key) ?? NOBODY);
      if (delta.gained.length > 0) gained.push({ from: names(delta.gained), user, action });
      if (delta.lost.length > 0) lost.push({ from: names(delta.lost), user, action });
    }
    return { gained, lost };
  }

  /** Sources by user and action. Clients take the first rule that fits. */
  #logins(engine: Comparable, of: ClassKey): ReadonlyMap<string, ReadonlySet<string>> {
    const sources = new Map<string, Set<string>>();
    const decided = new Set<string>();
    for (const { principals, sshUsers, action } of engine.ssh(of).rules) {
      const from = principals.flatMap((principal) =>
        principal.any === true ? [ANYONE] : [...this.#sources.of([principal.nodeIP ?? ''])],
      );
      const kind = action.holdAndDelegate === undefined ? 'accept' : 'check';
      for (const [user, local] of Object.entries(sshUsers)) {
        const fresh = [...new Set(from)].filter((name) => !decided.has(`${name}\0${user}`));
        for (const name of fresh) decided.add(`${name}\0${user}`);
        if (local === '' || action.reject === true) continue;
        const key = `${user}\0${kind}`;
        const known = sources.get(key) ?? new Set();
        sources.set(key, known);
        for (const name of fresh) known.add(name);
      }
    }
    return sources;
  }

  #routesOf(engine: Comparable, viewer: ClassKey, { nodes }: Group): readonly string[] {
    return this.#routers.flatMap((router) => {
      if (nodes.length === 1 && nodes[0]?.id === router.id) return [];
      if (!engine.sees(viewer, engine.classOf(router.id))) return [];
      const visible = engine.visibleRoutes(viewer, router.id, servedBy(router));
      return visible.map((route) => `${formatPrefix(route)} via ${this.#nameOf(router.id)}`);
    });
  }

  #names(nodes: readonly PolicyNode[]): Names {
    return names(nodes.map(({ id }) => this.#nameOf(id)));
  }
}

/** Whether two filters are the same, part by part. */
function isSame(a: NamedFilter, b: NamedFilter): boolean {
  return (
    a.size === b.size &&
    [...a].every(([name, rules]) => {
      const other = b.get(name);
      return other !== undefined && JSON.stringify(rules) === JSON.stringify(other);
    })
  );
}

const NOBODY: ReadonlySet<string> = new Set();

function names(all: readonly string[]): Names {
  return { count: all.length, names: all.toSorted().slice(0, MAX_NAMES) };
}

/** Name and value of each. */
function attributesOf(attributes: ReturnType<PolicyEngine['attributes']>): readonly string[] {
  return Object.entries(attributes).map(([name, value]) =>
    value === null || value.length === 0 ? name : `${name} ${JSON.stringify(value)}`,
  );
}

/** What a node serves; that another router may be the one in use now changes nothing about the policy. */
export function servedBy({ routes, exitNode }: PolicyNode): readonly Prefix[] {
  return exitNode ? [...routes, ...EXIT_ROUTES] : routes;
}
