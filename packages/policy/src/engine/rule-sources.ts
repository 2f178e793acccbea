/**
 * Who the sources of each rule are, as texts of a packet filter, kept until a change of a node or of the
 * policy makes them say something else.
 */
import { hasBit } from './bits.ts';
import type { FilterName } from './contract.ts';
import type { CompiledRule, Plan } from './plan.ts';
import type { NodeChange, NodeRecord, Population } from './population.ts';
import { addressesUnder, ANY, DANGER_ALL, listsNodes, type Selector } from './selector.ts';
import {
  AddressSet,
  isTailnetAddress,
  joinedRanges,
  prefixText,
  type SourceAddress,
  spelledAddresses,
  TAILNET_RANGES,
} from './sources.ts';

/** Ranges are the fewest texts; spelled is one text for each address. */
export type SourceForm = 'ranges' | 'spelled';

type Texts = { readonly [form in SourceForm]: Map<FilterName, readonly string[]> };

export class RuleSources {
  #plan: Plan;
  readonly #population: Population;
  /** Of selectors that list nodes, once asked for. */
  readonly #sets = new Map<number, AddressSet>();
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
      return listsNodes(selector)
        ? this.#population.count(index) === 0
        : selector.prefixes.length === 0;
    });
  }

  /** The sources of a rule with `autogroup:self` among an owner's nodes. */
  ofOwner(rule: CompiledRule, userId: number, form: SourceForm): readonly string[] {
    const set = new AddressSet(this.#ownersAddresses(rule, userId));
    return form === 'ranges' ? joinedRanges([set]) : spelledAddresses([set]);
  }

  /** Whether an owner has a node that is a source of the rule. */
  hasOwner(rule: CompiledRule, userId: number): boolean {
    return this.#ownersAddresses(rule, userId).length > 0;
  }

  #ownersAddresses(rule: CompiledRule, userId: number): readonly SourceAddress[] {
    return [...this.#population.ofOwner(userId)].flatMap((id) => {
      const record = this.#population.get(id);
      if (record === undefined) return [];
      return rule.sources.flatMap((index) => {
        const selector = this.#plan.selectors[index];
        if (selector === undefined || !hasBit(record.bits, index)) return [];
        return addressesUnder(selector, record.addresses);
      });
    });
  }

  /** Takes in what happened to a node. */
  apply({ before, after }: NodeChange): void {
    for (const [index, set] of this.#sets) {
      const selector = this.#plan.selectors[index];
      if (selector === undefined) continue;
      if (before !== undefined && hasBit(before.bits, index)) {
        for (const address of addressesUnder(selector, before.addresses)) set.remove(address);
      }
      if (after !== undefined && hasBit(after.bits, index)) {
        for (const address of addressesUnder(selector, after.addresses)) set.add(address);
      }
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
    for (const index of changed) this.#sets.delete(index);
    for (const name of [...this.#texts.ranges.keys(), ...this.#texts.spelled.keys()]) {
      if (!plan.rules.has(name)) this.drop(name);
    }
  }

  #spell(rule: CompiledRule, form: SourceForm): readonly string[] {
    if (rule.sources.includes(DANGER_ALL)) return ['*'];
    const any = rule.sources.includes(ANY);
    const texts: string[] = [];
    const sets: AddressSet[] = any ? [this.#outside] : [];
    if (any) texts.push(...this.#population.routes(), ...TAILNET_RANGES);
    for (const index of rule.sources) {
      const selector = this.#plan.selectors[index];
      if (selector === undefined || index === ANY || selector.via.length > 0) continue;
      if (!listsNodes(selector)) texts.push(...selector.prefixes.map(prefixText));
      // Every node is under `*` already; the hosted service says it again.
      else if (!any || form === 'spelled') sets.push(this.#set(selector));
    }
    const addresses = form === 'ranges' ? joinedRanges(sets) : spelledAddresses(sets);
    return texts.length === 0 ? addresses : [...new Set([...texts, ...addresses])];
  }

  #set(selector: Selector): AddressSet {
    const known = this.#sets.get(selector.index);
    if (known !== undefined) return known;
    const set = new AddressSet(
      this.#population
        .meant(selector.index)
        .flatMap(({ addresses }) => addressesUnder(selector, addresses)),
    );
    this.#sets.set(selector.index, set);
    return set;
  }
}

/** The addresses of a node that are not in the tailnet's ranges. */
export function outsideAddresses(record: NodeRecord | undefined): readonly SourceAddress[] {
  return record?.addresses.filter((address) => !isTailnetAddress(address)) ?? [];
}
