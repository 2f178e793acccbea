/**
 * A policy with its aliases numbered: rules between selectors. Knows nothing of nodes. A plan takes the
 * numbers of the plan before it for selectors of the same text, so that bit sets stay good; a number that
 * has become free is given away again only by the plan after the next change.
 */
import { COMPANIONS } from '@malla/wire/tailcfg/node-attributes';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { Admission, Alias, Policy, Rule } from '../policy.ts';
import { behindSpec, prefixesBehind } from './behind.ts';
import { type Bits, emptyBits, setBit } from './bits.ts';
import type { FilterName, Sha256Text } from '../contract.ts';
import {
  aliasText,
  ANY,
  DANGER_ALL,
  definitionOf,
  FIRST_INDEX,
  isAddresses,
  isAutogroup,
  listsNodes,
  prefixesOf,
  type Selector,
  selectorSpec,
  type SelectorSpec,
} from './selector.ts';
import { finished } from './steps.ts';

/** What a rule gives at one destination. */
export interface Gift {
  readonly admissions: readonly Admission[];
  /** Whether the application capabilities of the rule are given here. */
  readonly grants: boolean;
}

export interface Target extends Gift {
  readonly index: number;
}

/** A rule between selectors. One that a capability brings with it, in the other direction, is one more. */
export interface CompiledRule {
  /** Made of what the rule says. */
  readonly name: FilterName;
  readonly sources: readonly number[];
  readonly sourceBits: Bits;
  /** The sources that list nodes one by one. */
  readonly listing: readonly number[];
  readonly targets: readonly Target[];
  /** What it gives at the other nodes of the source's owner; empty without `autogroup:self`. */
  readonly self: readonly Gift[];
  /** Of those nodes only the ones that one of these means; undefined: all. */
  readonly selfAt: readonly number[] | undefined;
  readonly app: CapMap | undefined;
  /** Whether it makes nodes see each other. One that a capability brings with it adds nothing to that. */
  readonly reaches: boolean;
}

/** The selectors of an SSH rule. */
export interface CompiledSshRule {
  readonly sources: readonly number[];
  readonly targets: readonly number[];
  readonly self: boolean;
}

export interface Plan {
  readonly policy: Policy;
  /** Makes names of texts. */
  readonly sha256: Sha256Text;
  /** By index; holes are numbers that are free. */
  readonly selectors: readonly (Selector | undefined)[];
  /** Which selectors tell classes apart. */
  readonly classing: Bits;
  readonly rules: ReadonlyMap<FilterName, CompiledRule>;
  readonly ssh: readonly CompiledSshRule[];
  /** Whether what a node may do depends on who its owner is: `autogroup:self` is used. */
  readonly owners: boolean;
  /** Whether a `via` is used. */
  readonly steers: boolean;
}

/** What is meant by a policy that has neither `acls` nor `grants`. */
const ALLOW_ALL_RULE: Pick<Rule, 'sources' | 'destinations' | 'app' | 'via' | 'postures'> = {
  sources: [{ value: { kind: 'any' }, place: { line: 1, column: 1, path: '' } }],
  destinations: [
    {
      alias: { kind: 'any' },
      place: { line: 1, column: 1, path: '' },
      admissions: [{ protocols: [], ports: [{ first: 0, last: 65_535 }] }],
    },
  ],
  app: undefined,
  via: [],
  postures: [],
};

/** Compiles a policy. */
export function planOf(policy: Policy, previous: Plan | undefined, sha256: Sha256Text): Plan {
  return finished(planSteps(policy, previous, sha256));
}

/** The same, a rule at each step. */
export function* planSteps(
  policy: Policy,
  previous: Plan | undefined,
  sha256: Sha256Text,
): Generator<void, Plan> {
  const numbers = new Numbers(policy, previous);
  const rules = new Map<FilterName, CompiledRule>();
  for (const rule of policy.rules ?? [ALLOW_ALL_RULE]) {
    for (const compiled of compileRule(rule, numbers, sha256)) rules.set(compiled.name, compiled);
    yield;
  }
  const ssh = policy.ssh.map((rule): CompiledSshRule => {
    const postures = rule.postures.map(({ value }) => value);
    const named = rule.destinations.filter(({ value }) => !isAutogroup(value, 'self'));
    return {
      sources: rule.sources.map(({ value }) => numbers.of(selectorSpec(value, postures), false)),
      targets: named.map(({ value }) => numbers.of(selectorSpec(value), true)),
      self: named.length < rule.destinations.length,
    };
  });
  const selectors = numbers.selectors();
  const classing = emptyBits(selectors.length);
  for (const selector of selectors)
    if (selector?.classing === true) setBit(classing, selector.index);
  const owners = ssh.some(({ self }) => self) || [...rules.values()].some(hasSelf);
  yield;
  // Sized only now: numbering goes on until the last rule.
  const sized = [...rules].map(([name, rule]): [FilterName, CompiledRule] => {
    const sourceBits = emptyBits(selectors.length);
    for (const index of rule.sources) setBit(sourceBits, index);
    const listing = rule.sources.filter((index) => {
      const selector = selectors[index];
      return selector !== undefined && listsNodes(selector);
    });
    return [name, { ...rule, sourceBits, listing }];
  });
  const steers = selectors.some((selector) => (selector?.via.length ?? 0) > 0);
  return { policy, sha256, selectors, classing, rules: new Map(sized), ssh, owners, steers };
}

function hasSelf(rule: CompiledRule): boolean {
  return rule.self.length > 0;
}

function compileRule(
  rule: typeof ALLOW_ALL_RULE,
  numbers: Numbers,
  sha256: Sha256Text,
): readonly CompiledRule[] {
  const postures = rule.postures.map(({ value }) => value);
  const via = rule.via.map(({ value }) => value);
  const devices = unique(
    rule.sources.map(({ value }) => numbers.of(selectorSpec(value, postures), true)),
  );
  const behind = postures.length === 0 ? [] : numbers.behind(rule.sources);
  const sources = [...devices, ...behind];
  const targets: Target[] = [];
  const self: Gift[] = [];
  const grants = rule.app !== undefined;
  for (const { alias, admissions } of rule.destinations) {
    if (isAutogroup(alias, 'self')) {
      self.push({ admissions, grants });
    } else if (via.length === 0 || admissions.length === 0) {
      targets.push({ index: numbers.of(selectorSpec(alias), true), admissions, grants });
    } else {
      // What is behind a router is steered; a capability stays with the node that it is given at.
      const apart = grants && !isAddresses(alias) && !isAutogroup(alias, 'internet');
      if (apart)
        targets.push({ index: numbers.of(selectorSpec(alias), true), admissions: [], grants });
      const index = numbers.of(selectorSpec(alias, [], via), true);
      targets.push({ index, admissions, grants: grants && !apart });
    }
  }
  const name = nameOf(rule, sha256);
  const shape = { sourceBits: emptyBits(0), listing: [], selfAt: undefined };
  const compiled: CompiledRule[] = [
    { ...shape, name, sources, targets, self, app: rule.app, reaches: true },
  ];
  const back: Gift = { admissions: [], grants: true };
  for (const capability of Object.keys(rule.app ?? {})) {
    const companion = COMPANIONS.get(capability);
    if (companion === undefined) continue;
    const other = { ...shape, app: { [companion]: null }, reaches: false };
    if (targets.length > 0) {
      compiled.push({
        ...other,
        name: `${name}+${companion}`,
        sources: unique(targets.map(({ index }) => index)),
        targets: devices.map((index) => ({ ...back, index: index === DANGER_ALL ? ANY : index })),
        self: [],
      });
    }
    if (self.length > 0) {
      compiled.push({
        ...other,
        name: `${name}=${companion}`,
        sources: [numbers.of(selectorSpec({ kind: 'autogroup', name: 'member' }), false)],
        targets: [],
        self: [back],
        selfAt: sources,
      });
    }
  }
  return compiled;
}

/** A short name of what a rule says, the same for rules that say the same. */
function nameOf(rule: typeof ALLOW_ALL_RULE, sha256: Sha256Text): FilterName {
  const text = JSON.stringify([
    unique(rule.sources.map(({ value }) => aliasText(value))).toSorted(),
    rule.postures.map(({ value }) => value).toSorted(),
    rule.destinations.map(({ alias, admissions }) => [aliasText(alias), admissions]),
    rule.app ?? null,
    rule.via.map(({ value }) => value).toSorted(),
  ]);
  return sha256(text).slice(0, 12);
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

/** Gives selectors their numbers. */
class Numbers {
  readonly #policy: Policy;
  readonly #known = new Map<string, { readonly index: number; readonly definition: string }>();
  readonly #taken = new Set<number>();
  readonly #used = new Map<string, Selector>();
  #next = FIRST_INDEX;

  constructor(policy: Policy, previous: Plan | undefined) {
    this.#policy = policy;
    for (const selector of previous?.selectors ?? []) {
      if (selector === undefined) continue;
      this.#known.set(selector.text, selector);
      this.#taken.add(selector.index);
    }
  }

  of(spec: SelectorSpec, classing: boolean): number {
    const plain = spec.postures.length === 0 && spec.via.length === 0 && !spec.behind;
    if (plain && spec.alias.kind === 'any') return ANY;
    if (plain && isAutogroup(spec.alias, 'danger-all')) return DANGER_ALL;
    const used = this.#used.get(spec.text);
    if (used !== undefined) {
      if (classing && !used.classing) this.#used.set(spec.text, { ...used, classing });
      return used.index;
    }
    const index = this.#known.get(spec.text)?.index ?? this.#free();
    const definition = definitionOf(spec, this.#policy);
    const prefixes = (spec.behind ? prefixesBehind : prefixesOf)(spec.alias, this.#policy);
    this.#used.set(spec.text, { ...spec, index, definition, prefixes, classing });
    return index;
  }

  /** Of sources what they mean behind routers. */
  behind(sources: Rule['sources']): readonly number[] {
    const specs = sources.flatMap(({ value }) => behindSpec(value, this.#policy) ?? []);
    return unique(specs.map((spec) => this.of(spec, true)));
  }

  selectors(): readonly (Selector | undefined)[] {
    const all: (Selector | undefined)[] = [
      everybody({ kind: 'any' }, ANY),
      everybody({ kind: 'autogroup', name: 'danger-all' }, DANGER_ALL),
    ];
    for (const selector of this.#used.values()) all[selector.index] = selector;
    return Array.from(all);
  }

  #free(): number {
    while (this.#taken.has(this.#next)) this.#next++;
    return this.#next++;
  }
}

function everybody(alias: Alias, index: number): Selector {
  return { ...selectorSpec(alias), index, definition: '', prefixes: [], classing: false };
}
