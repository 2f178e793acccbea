/**
 * What would change for whom if another policy came into force: two engines over the same tailnet,
 * compared class by class. Nodes whose class is the same before and the same after change alike, so
 * they are compared once and told together.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Access, Login, Names, PolicyChange } from '@malla/api/policy-schemas';
import { ADDRESS_BITS } from '@malla/ip/address';
import { formatPrefix, parsePrefixOrAddress, type Prefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { ClassKey, NamedFilter, PolicyEngine } from '@malla/policy/engine/contract';
import type { PolicyNode } from '@malla/policy/tailnet';
import type { FilterRule } from '@malla/policy/wire';
import { ANYONE, SourceNames } from './source-names.ts';

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

/** Compares. `nameOf` is what people call a node. Both engines have the same nodes, and keep them meanwhile. */
export async function comparePolicies(
  before: PolicyEngine,
  after: PolicyEngine,
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

interface Delta {
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

async function groupNodes(before: PolicyEngine, after: PolicyEngine): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  let looked = 0;
  for (const node of before.nodes()) {
    if (++looked % AT_ONCE === 0) await turn();
    const classes = { before: before.classOf(node.id), after: after.classOf(node.id) };
    const attributes = deltaOf(
      attributesOf(before.attributes(node.id)),
      attributesOf(after.attributes(node.id)),
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
  readonly #before: PolicyEngine;
  readonly #after: PolicyEngine;
  readonly #groups: readonly Group[];
  readonly #refiltered: readonly Group[];
  readonly #nameOf: (id: number) => string;
  readonly #routers: readonly PolicyNode[];
  readonly #sources: SourceNames;

  constructor(
    before: PolicyEngine,
    after: PolicyEngine,
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
      this.#routesOf(this.#before, group.before, group),
      this.#routesOf(this.#after, group.after, group),
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
    if (!group.isRefiltered) return { gained: [], lost: [] };
    return compareSources(
      this.#admitted(this.#before.filter(group.before), group),
      this.#admitted(this.#after.filter(group.after), group),
      (key, from): Access => {
        const [to = '', what = ''] = key.split('\0');
        return { from, to, what };
      },
    );
  }

  #ssh(group: Group): PolicyChange['ssh'] {
    return compareSources(
      this.#logins(this.#before, group.before),
      this.#logins(this.#after, group.after),
      (key, from): Login => {
        const [user = '', action] = key.split('\0');
        return { from, user, action: action === 'check' ? 'check' : 'accept' };
      },
    );
  }

  /** Sources by destination and what they may open there. */
  #admitted(filter: NamedFilter, { nodes }: Group): Sources {
    const own = new Set(
      (nodes[0]?.addresses ?? []).map(({ value, family }) => `${family} ${value}`),
    );
    const to = (text: string): string => {
      const parsed = parsePrefixOrAddress(text);
      return parsed.ok && isSingle(parsed.value) && own.has(keyOf(parsed.value)) ? '*' : text;
    };
    const sources = new Sources();
    for (const rule of [...filter.values()].flat()) {
      const from = rule.SrcIPs.flatMap((text) => this.#sources.namesOf(text));
      for (const { IP, Ports } of rule.DstPorts ?? []) {
        sources.add(`${to(IP)}\0${admission(rule, Ports)}`, from);
      }
      for (const { CapMap } of rule.CapGrant ?? []) {
        for (const capability of Object.keys(CapMap)) sources.add(`*\0${capability}`, from);
      }
    }
    return sources;
  }

  /** Sources by user and action. Clients take the first rule that fits. */
  #logins(engine: PolicyEngine, of: ClassKey): Sources {
    const sources = new Sources();
    const decided = new Set<string>();
    for (const { principals, sshUsers, action } of engine.ssh(of).rules) {
      const from = principals.flatMap((principal) =>
        'any' in principal ? [ANYONE] : this.#sources.namesOf(principal.nodeIP),
      );
      const kind = action.holdAndDelegate === undefined ? 'accept' : 'check';
      for (const [user, local] of Object.entries(sshUsers)) {
        const fresh = [...new Set(from)].filter((name) => !decided.has(`${name}\0${user}`));
        for (const name of fresh) decided.add(`${name}\0${user}`);
        if (local !== '' && action.reject !== true) sources.add(`${user}\0${kind}`, fresh);
      }
    }
    return sources;
  }

  #routesOf(engine: PolicyEngine, viewer: ClassKey, { nodes }: Group): readonly string[] {
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
    [...a].every(([name, rules]) => JSON.stringify(rules) === JSON.stringify(b.get(name)))
  );
}

/** Sources by what they may do. */
class Sources {
  readonly byKey = new Map<string, Set<string>>();

  add(key: string, from: readonly string[]): void {
    const known = this.byKey.get(key) ?? new Set();
    for (const name of from) known.add(name);
    this.byKey.set(key, known);
  }
}

function compareSources<T>(
  before: Sources,
  after: Sources,
  make: (key: string, from: Names) => T,
): { gained: T[]; lost: T[] } {
  const gained: T[] = [];
  const lost: T[] = [];
  for (const key of new Set([...before.byKey.keys(), ...after.byKey.keys()])) {
    const delta = deltaOf([...(before.byKey.get(key) ?? [])], [...(after.byKey.get(key) ?? [])]);
    if (delta.gained.length > 0) gained.push(make(key, names(delta.gained)));
    if (delta.lost.length > 0) lost.push(make(key, names(delta.lost)));
  }
  return { gained, lost };
}

function deltaOf(before: readonly string[], after: readonly string[]): Delta {
  const had = new Set(before);
  const has = new Set(after);
  return {
    gained: [...has].filter((item) => !had.has(item)),
    lost: [...had].filter((item) => !has.has(item)),
  };
}

function names(all: readonly string[]): Names {
  return { count: all.length, names: all.toSorted().slice(0, MAX_NAMES) };
}

/** Name and value of each. */
function attributesOf(attributes: ReturnType<PolicyEngine['attributes']>): readonly string[] {
  return Object.entries(attributes).map(([name, value]) =>
    value === null || value.length === 0 ? name : `${name} ${JSON.stringify(value)}`,
  );
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
};

/** `*`, `22`, `tcp:80-90`. */
function admission(
  { IPProto = [] }: FilterRule,
  { First, Last }: { readonly First: number; readonly Last: number },
): string {
  const isAll = First === 0 && Last === 65_535;
  const ports = isAll ? '*' : First === Last ? `${First}` : `${First}-${Last}`;
  if (IPProto.length === 0) return ports;
  return `${IPProto.map((number) => PROTOCOLS[number] ?? `${number}`).join(',')}:${ports}`;
}

/** What a node serves; that another router may be the one in use now changes nothing about the policy. */
function servedBy({ routes, exitNode }: PolicyNode): readonly Prefix[] {
  return exitNode ? [...routes, ...EXIT_ROUTES] : routes;
}

function isSingle({ network, bits }: Prefix): boolean {
  return bits === ADDRESS_BITS[network.family];
}

function keyOf({ network }: Prefix): string {
  return `${network.family} ${network.value}`;
}
