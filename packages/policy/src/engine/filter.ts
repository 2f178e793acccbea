/**
 * Packet filters out of compiled rules: of a class, shared by its nodes, and of one node in full.
 *
 * A node that announces nothing gets only packets for its own addresses, so its class may say `*` for
 * them. One that announces routes also gets packets for what is behind it: its filter names destinations.
 */
import { formatAddress } from '@malla/ip/address';
import { contains, formatPrefix, singlePrefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { FilterDestination, FilterRule } from '@malla/wire/tailcfg/filter';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { PolicyNode } from '../subjects.ts';
import { hasBit } from './bits.ts';
import type { NodeClass } from './classes.ts';
import type { FilterName, NamedFilter } from '../contract.ts';
import { INTERNET } from '../internet.ts';
import type { CompiledRule, Gift, Plan, Target } from './plan.ts';
import type { RuleSources } from './rule-sources.ts';
import {
  ANY,
  holdsAddressOf,
  isAddresses,
  isAutogroup,
  isForwarded,
  type Selector,
} from './selector.ts';
import { prefixText } from './sources.ts';
import { finished } from './steps.ts';

/** Where a gift is given: as packet destinations, and as prefixes for capabilities. */
interface Place {
  readonly gift: Gift;
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
}

/** All own addresses of a node, whichever they are. */
const OWN_ADDRESSES = ['*'];
const OWN_PREFIXES = EXIT_ROUTES.map(formatPrefix);

export class Filters {
  #plan: Plan;
  readonly #sources: RuleSources;
  /** By rule, then by the targets that mean the class: for classes that announce nothing. */
  readonly #parts = new Map<FilterName, Map<string, readonly FilterRule[]>>();
  readonly #filters = new WeakMap<NodeClass, Map<FilterName, readonly FilterRule[]>>();
  /** The parts of a filter that are to be made again. */
  readonly #stale = new WeakMap<NodeClass, Set<FilterName>>();
  readonly #ownPlaces = new WeakMap<PolicyNode, Omit<Place, 'gift'>>();

  constructor(plan: Plan, sources: RuleSources) {
    this.#plan = plan;
    this.#sources = sources;
  }

  replan(plan: Plan): void {
    this.#plan = plan;
    for (const name of this.#parts.keys()) if (!plan.rules.has(name)) this.#parts.delete(name);
  }

  /** Forgets the parts that a rule gives. */
  drop(name: FilterName): void {
    this.#parts.delete(name);
    this.#sources.drop(name);
  }

  /** Forgets parts of the filter of a class; those that rules still give are made again when asked for. */
  dropOf(nodeClass: NodeClass, names: Iterable<FilterName>): void {
    if (!this.#filters.has(nodeClass)) return;
    const stale = this.#stale.get(nodeClass) ?? new Set();
    this.#stale.set(nodeClass, stale);
    for (const name of names) stale.add(name);
  }

  /** The filter of a class, until it changes. */
  ofClass(nodeClass: NodeClass): NamedFilter {
    const known = this.#filters.get(nodeClass);
    const stale = this.#stale.get(nodeClass);
    if (known !== undefined && stale === undefined) return known;
    const filter: Map<FilterName, readonly FilterRule[]> = known ?? new Map();
    for (const name of stale ?? this.#plan.rules.keys()) {
      const rule = this.#plan.rules.get(name);
      const part = rule === undefined ? [] : this.#part(rule, nodeClass);
      if (part.length > 0) filter.set(name, part);
      else filter.delete(name);
    }
    this.#stale.delete(nodeClass);
    this.#filters.set(nodeClass, filter);
    return filter;
  }

  /** Whether a rule with sources, those of `autogroup:self` aside, gives a class anything. */
  gives(rule: CompiledRule, { router, targets }: NodeClass): boolean {
    const meant = rule.targets.filter(({ index }) => hasBit(targets, index));
    if (router === undefined) return meant.length > 0;
    return meant.some((target) => {
      const { addresses, prefixes } = this.#placeAt(target, router);
      return (
        (target.admissions.length > 0 && addresses.length > 0) ||
        (target.grants && prefixes.length > 0)
      );
    });
  }

  /** Whether a rule gives a class anything now. */
  applies(rule: CompiledRule, nodeClass: NodeClass): boolean {
    if (!this.#sources.isEmpty(rule) && this.gives(rule, nodeClass)) return true;
    const { owner } = nodeClass;
    return owner !== undefined && givesSelf(rule, nodeClass) && this.#sources.hasOwner(rule, owner);
  }

  /** The filter of a node as the hosted service writes it: sources one by one, destinations in full, rules of the same sources and protocols together. */
  ofNode(node: PolicyNode, nodeClass: NodeClass): readonly FilterRule[] {
    return finished(this.stepsOfNode(node, nodeClass));
  }

  /** The same, a rule at each step; rules and nodes must stay as they are meanwhile. */
  *stepsOfNode(node: PolicyNode, nodeClass: NodeClass): Generator<void, readonly FilterRule[]> {
    const merged = new Map<string, FilterRule>();
    const apart: FilterRule[] = [];
    for (const rule of this.#plan.rules.values()) {
      const targets = rule.targets.filter(({ index }) => hasBit(nodeClass.targets, index));
      const places = targets.map((target) => this.#placeAt(target, node));
      const sources = this.#sources.of(rule, 'spelled');
      const parts = [
        ...(sources.length > 0 ? admitting(sources, places) : []),
        // Also without any source, when the rule names some.
        ...(rule.sources.length > 0 ? granting(sources, places, rule.app) : []),
        ...this.#selfParts(rule, nodeClass, node, 'spelled'),
      ];
      for (const part of parts) {
        if (part.DstPorts === undefined) {
          apart.push(part);
          continue;
        }
        const key = JSON.stringify([part.SrcIPs.toSorted(), part.IPProto ?? []]);
        const before = merged.get(key);
        const ports = [...(before?.DstPorts ?? []), ...part.DstPorts];
        merged.set(key, { ...part, DstPorts: distinctPorts(ports) });
      }
      yield;
    }
    return [...merged.values(), ...apart];
  }

  #part(rule: CompiledRule, nodeClass: NodeClass): readonly FilterRule[] {
    const self = this.#selfParts(rule, nodeClass, nodeClass.router, 'ranges');
    const targets = rule.targets.filter(({ index }) => hasBit(nodeClass.targets, index));
    if (targets.length === 0) return self;
    const { router } = nodeClass;
    if (router !== undefined) {
      const places = targets.map((target) => this.#placeAt(target, router));
      return [...assemble(this.#sources.of(rule, 'ranges'), places, rule.app), ...self];
    }
    const shared = this.#sharedPart(rule, targets);
    return self.length === 0 ? shared : [...shared, ...self];
  }

  #sharedPart(rule: CompiledRule, targets: readonly Target[]): readonly FilterRule[] {
    const parts: Map<string, readonly FilterRule[]> = this.#parts.get(rule.name) ?? new Map();
    this.#parts.set(rule.name, parts);
    const key = targets.map(({ index }) => index).join(' ');
    const known = parts.get(key);
    if (known !== undefined) return known;
    const places = targets.map((target) => this.#place(target));
    const made = assemble(this.#sources.of(rule, 'ranges'), places, rule.app);
    parts.set(key, made);
    return made;
  }

  #selfParts(
    rule: CompiledRule,
    nodeClass: NodeClass,
    node: PolicyNode | undefined,
    form: 'ranges' | 'spelled',
  ): readonly FilterRule[] {
    const { owner } = nodeClass;
    if (owner === undefined || !givesSelf(rule, nodeClass)) return [];
    const places = rule.self.map((gift): Place => {
      if (node === undefined) return { gift, addresses: OWN_ADDRESSES, prefixes: OWN_PREFIXES };
      return { gift, ...this.#ownPlace(node) };
    });
    return assemble(this.#sources.ofOwner(rule, owner, form), places, rule.app);
  }

  #ownPlace(node: PolicyNode): Omit<Place, 'gift'> {
    const known = this.#ownPlaces.get(node);
    if (known !== undefined) return known;
    const place = {
      addresses: node.addresses.map(formatAddress),
      prefixes: node.addresses.map((address) => formatPrefix(singlePrefix(address))),
    };
    this.#ownPlaces.set(node, place);
    return place;
  }

  /** Where a target is, for any node that it means and that announces nothing. */
  #place(target: Target): Place {
    const selector = this.#plan.selectors[target.index];
    if (selector === undefined || !isAddresses(selector.alias)) {
      return { gift: target, addresses: OWN_ADDRESSES, prefixes: OWN_PREFIXES };
    }
    return {
      gift: target,
      addresses: selector.prefixes.map(prefixText),
      prefixes: selector.prefixes.map(formatPrefix),
    };
  }

  /** Where a target is at one node. */
  #placeAt(target: Target, node: PolicyNode): Place {
    const selector = this.#plan.selectors[target.index];
    if (selector === undefined) return { gift: target, addresses: [], prefixes: [] };
    if (target.index === ANY) return { gift: target, ...this.#ownPlace(node), addresses: ['*'] };
    if (selector.via.length > 0) return { gift: target, ...forwardedPlace(selector, node) };
    if (isAutogroup(selector.alias, 'internet')) {
      return { gift: target, ...forwardedPlace(selector, node) };
    }
    if (!isAddresses(selector.alias)) return { gift: target, ...this.#ownPlace(node) };
    const prefixes = selector.prefixes.filter(
      (prefix) => holdsAddressOf(prefix, node) || isForwarded(prefix, node),
    );
    const own = node.addresses.filter((each) => prefixes.some((prefix) => contains(prefix, each)));
    return {
      gift: target,
      addresses: prefixes.map(prefixText),
      prefixes: own.map((address) => formatPrefix(singlePrefix(address))),
    };
  }
}

/** Whether a rule gives nodes of a class anything as devices of a source's owner, if that has such. */
export function givesSelf({ self, selfAt }: CompiledRule, { owner, targets }: NodeClass): boolean {
  if (self.length === 0 || owner === undefined) return false;
  return selfAt === undefined || selfAt.some((index) => hasBit(targets, index));
}

/** What a router or an exit node forwards to under a selector; capabilities are not given there. */
function forwardedPlace(selector: Selector, node: PolicyNode): Omit<Place, 'gift'> {
  const { alias, prefixes } = selector;
  const internet = node.exitNode ? INTERNET.map(formatPrefix) : [];
  if (isAutogroup(alias, 'internet')) return { addresses: internet, prefixes: [] };
  if (alias.kind === 'any') {
    return { addresses: [...node.routes.map(formatPrefix), ...internet], prefixes: [] };
  }
  const forwarded = prefixes.filter((prefix) => isForwarded(prefix, node));
  return { addresses: forwarded.map(prefixText), prefixes: [] };
}

/** The rules of a filter: one for each set of protocols, one for capabilities. */
function assemble(
  sources: readonly string[],
  places: readonly Place[],
  app: CapMap | undefined,
): readonly FilterRule[] {
  if (sources.length === 0) return [];
  return [...admitting(sources, places), ...granting(sources, places, app)];
}

function admitting(sources: readonly string[], places: readonly Place[]): readonly FilterRule[] {
  const byProtocols = new Map<
    string,
    { protocols: readonly number[]; ports: FilterDestination[] }
  >();
  for (const { gift, addresses } of places) {
    for (const { protocols, ports } of gift.admissions) {
      const key = protocols.join();
      const group = byProtocols.get(key) ?? { protocols, ports: [] };
      byProtocols.set(key, group);
      for (const IP of addresses) {
        for (const { first, last } of ports) {
          group.ports.push({ IP, Ports: { First: first, Last: last } });
        }
      }
    }
  }
  const rules: FilterRule[] = [];
  for (const { protocols, ports } of byProtocols.values()) {
    if (ports.length === 0) continue;
    const DstPorts = distinctPorts(ports);
    rules.push({
      SrcIPs: sources,
      DstPorts,
      ...(protocols.length > 0 && { IPProto: protocols }),
    });
  }
  return rules;
}

function granting(
  sources: readonly string[],
  places: readonly Place[],
  app: CapMap | undefined,
): readonly FilterRule[] {
  const granted = places.filter(({ gift }) => gift.grants).flatMap(({ prefixes }) => prefixes);
  if (app === undefined || granted.length === 0) return [];
  return [{ SrcIPs: sources, CapGrant: [{ Dsts: [...new Set(granted)], CapMap: app }] }];
}

function distinctPorts(ports: readonly FilterDestination[]): readonly FilterDestination[] {
  const distinct = new Map<string, FilterDestination>();
  for (const port of ports) {
    distinct.set(`${port.IP} ${port.Ports.First} ${port.Ports.Last}`, port);
  }
  return [...distinct.values()];
}
