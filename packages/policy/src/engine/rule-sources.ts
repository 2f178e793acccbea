/**
 * Who the sources of each rule are, as texts of a packet filter, kept until a change of a node or of the
 * policy makes them say something else.
 */
import { contains } from '@malla/ip/prefix';
import { eachBit, hasBit } from './bits.ts';
import type { FilterName } from '../contract.ts';
import type { CompiledRule, Plan } from './plan.ts';
import type { NodeChange, NodeRecord, Population } from './population.ts';
import { addressesUnder, ANY, DANGER_ALL, listsNodes, type Selector } from './selector.ts';
import {
  AddressSet,
  isTailnetAddress,
  prefixText,
  type SourceAddress,
  TAILNET_RANGES,
} from './sources.ts';

/** Ranges are the fewest texts; spelled is one text for each address. */
export type SourceForm = 'ranges' | 'spelled';

/** The addresses of nodes under any of some selectors, without those under one other. */
interface Listed {
  readonly selectors: readonly number[];
  readonly except: number | undefined;
  readonly addresses: AddressSet;
}

type Texts = { readonly [form in SourceForm]: Map<FilterName, readonly string[]> };

/** How many times more nodes than the others a selector must mean for its texts to be taken as they are. */
const DOMINANT = 8;

export class RuleSources {
  #plan: Plan;
  readonly #population: Population;
  /** By what they hold, once asked for: shared by the rules that list the same. */
  readonly #listed = new Map<string, Listed>();
  /** The same by each of their selectors. */
  readonly #bySelector: (Set<Listed> | undefined)[] = [];
  /** Addresses of nodes that are not in the tailnet's ranges, which `*` has to name. */
  readonly #outside = new AddressSet();
  readonly #texts: Texts = { ranges: new Map(), spelled: new Map() };

  constructor(plan: Plan, population: Population) {
    this.#plan = plan;
    this.#population = population;
  }

  /** The sources of a rule; empty when there are none now. Shared: the same array until it says something else. */
  of(rule: CompiledRule, form: SourceForm): readonly string[] {
    const known = this.#texts[form].get(rule.name);
    if (known !== undefined) return known;
    const made = this.#spell(rule, form);
    this.#texts[form].set(rule.name, made);
    return made;
  }

  /** The sources of a rule as they were when last asked for, if they were. */
  known(rule: CompiledRule): readonly string[] | undefined {
    return this.#texts.ranges.get(rule.name);
  }

  /** Whether a rule has any source now. */
  isEmpty(rule: CompiledRule): boolean {
    return rule.sources.every((index) => {
      const selector = this.#plan.selectors[index];
      if (index === ANY || index === DANGER_ALL || selector === undefined) return false;
      if (listsNodes(selector)) return this.#population.count(index) === 0;
      return this.#textsUnder(selector).length === 0;
    });
  }

  /** The sources of a rule with `autogroup:self` among an owner's nodes. */
  ofOwner(rule: CompiledRule, userId: number, form: SourceForm): readonly string[] {
    const set = new AddressSet(this.#ownersAddresses(rule, userId));
    return set[form]();
  }

  /** Whether an owner has a node that is a source of the rule. */
  hasOwner(rule: CompiledRule, userId: number): boolean {
    return this.#ownersAddresses(rule, userId).length > 0;
  }

  #ownersAddresses(rule: CompiledRule, userId: number): readonly SourceAddress[] {
    return [...this.#population.ofOwner(userId)].flatMap((id) =>
      this.#addressesOf(this.#population.get(id), rule.sources),
    );
  }

  /** The addresses of a node that count under any of some selectors, without those under `except`. */
  #addressesOf(
    record: NodeRecord | undefined,
    selectors: readonly number[],
    except?: number,
  ): readonly SourceAddress[] {
    if (record === undefined) return [];
    const found = selectors.flatMap((index) => {
      const selector = this.#plan.selectors[index];
      if (selector === undefined || !hasBit(record.bits, index)) return [];
      return addressesUnder(selector, record.addresses);
    });
    if (except === undefined || found.length === 0) return found;
    const others = this.#addressesOf(record, [except]);
    return found.filter((address) => !others.includes(address));
  }

  /** Takes in what happened to a node. */
  apply({ before, after }: NodeChange): void {
    const touched = new Set<Listed>();
    for (const record of [before, after]) {
      if (record === undefined) continue;
      eachBit(record.bits, (index) => {
        for (const listed of this.#bySelector[index] ?? []) touched.add(listed);
      });
    }
    for (const { selectors, except, addresses } of touched) {
      const was = this.#addressesOf(before, selectors, except);
      const is = this.#addressesOf(after, selectors, except);
      for (const address of was) if (!holds(is, address)) addresses.remove(address);
      for (const address of is) if (!holds(was, address)) addresses.add(address);
    }
    for (const address of outsideAddresses(before)) this.#outside.remove(address);
    for (const address of outsideAddresses(after)) this.#outside.add(address);
  }

  /** Forgets the texts of a rule. */
  drop(name: FilterName): void {
    this.#texts.ranges.delete(name);
    this.#texts.spelled.delete(name);
  }

  /** Goes on with another plan; the members of the selectors named are to be found again. */
  replan(plan: Plan, changed: Iterable<number>): void {
    this.#plan = plan;
    const used = new Set<number>();
    for (const { listing } of plan.rules.values()) for (const index of listing) used.add(index);
    const gone = new Set(changed);
    for (const [key, listed] of this.#listed) {
      const named = namedBy(listed);
      if (named.every((index) => used.has(index) && !gone.has(index))) continue;
      this.#listed.delete(key);
      for (const index of named) this.#bySelector[index]?.delete(listed);
    }
    for (const name of [...this.#texts.ranges.keys(), ...this.#texts.spelled.keys()]) {
      if (!plan.rules.has(name)) this.drop(name);
    }
  }

  /** The sources under a selector that lists no nodes. */
  #textsUnder(selector: Selector): readonly string[] {
    if (selector.behind) return behindTexts(selector, this.#population);
    return selector.prefixes.map(prefixText);
  }

  #spell(rule: CompiledRule, form: SourceForm): readonly string[] {
    if (rule.sources.includes(DANGER_ALL)) return ['*'];
    const any = rule.sources.includes(ANY);
    const texts: string[] = [];
    if (any) texts.push(...this.#population.routes(), ...TAILNET_RANGES, ...this.#outside[form]());
    for (const index of rule.sources) {
      const selector = this.#plan.selectors[index];
      if (selector === undefined || index === ANY || selector.via.length > 0) continue;
      if (!listsNodes(selector)) texts.push(...this.#textsUnder(selector));
    }
    // Every node is under `*` already; the hosted service says it again.
    const listed = any && form === 'ranges' ? [] : this.#listedTexts(rule.listing, form);
    return texts.length === 0 ? listed : [...new Set([...texts, ...listed])];
  }

  /** The nodes under any of some selectors. Ranges are the fewest, but for what little others add to a large set. */
  #listedTexts(selectors: readonly number[], form: SourceForm): readonly string[] {
    const count = (index: number): number => this.#population.count(index);
    const [largest, ...others] = selectors.toSorted((a, b) => count(b) - count(a));
    if (largest === undefined) return [];
    const added = others.reduce((sum, index) => sum + count(index), 0);
    if (form === 'spelled' || added * DOMINANT > count(largest)) {
      return this.#addresses(selectors)[form]();
    }
    const texts = this.#addresses([largest]).ranges();
    return others.length === 0 ? texts : this.#addresses(others, largest).rangesAfter(texts);
  }

  #addresses(selectors: readonly number[], except?: number): AddressSet {
    const key = `${selectors.toSorted((a, b) => a - b).join()}-${except ?? ''}`;
    const known = this.#listed.get(key);
    if (known !== undefined) return known.addresses;
    const [first, ...others] = selectors;
    const addresses =
      first === undefined || others.length > 0
        ? AddressSet.union(selectors.map((index) => this.#addresses([index], except)))
        : new AddressSet(
            this.#population
              .meant(first)
              .flatMap((record) => this.#addressesOf(record, selectors, except)),
          );
    const listed: Listed = { selectors, except, addresses };
    this.#listed.set(key, listed);
    for (const index of namedBy(listed)) (this.#bySelector[index] ??= new Set()).add(listed);
    return addresses;
  }
}

function namedBy({ selectors, except }: Listed): readonly number[] {
  return except === undefined ? selectors : [...selectors, except];
}

function holds(addresses: readonly SourceAddress[], { family, value }: SourceAddress): boolean {
  return addresses.some((each) => each.value === value && each.family === family);
}

/** The addresses of a node that are not in the tailnet's ranges. */
export function outsideAddresses(record: NodeRecord | undefined): readonly SourceAddress[] {
  return record?.addresses.filter((address) => !isTailnetAddress(address)) ?? [];
}

/**
 * The sources under a selector that means what is behind routers: for `*` the subnets that are served. A prefix in which a device has
 * its address counts for none: the device could have another posture.
 */
function behindTexts({ alias, prefixes }: Selector, population: Population): readonly string[] {
  if (alias.kind === 'any') return population.routes();
  const taken = [...population.nodes()].flatMap(({ addresses }) =>
    addresses.filter((address) => !isTailnetAddress(address)),
  );
  return prefixes
    .filter((prefix) => !taken.some((address) => contains(prefix, address)))
    .map(prefixText);
}
