/**
 * `ipsets`: named sets of addresses, each made by steps in order: `add 192.0.2.0/24`, `remove host:printer`.
 * Without a verb a step adds.
 *
 * A set can be made of others, so sets could multiply; the number of prefixes that steps stand for is bounded.
 *
 * Source: Tailscale's IP sets.
 */
import type { Prefix } from '@malla/ip/prefix';
import { INTERNET } from '../../internet.ts';
import { type Fault, parseAliasPrefix } from '../words/alias.ts';
import { prefixHint } from '../words/meant.ts';
import { askFor, didYouMean } from '../reading/nearest.ts';
import { quote } from '../reading/problem.ts';
import { applySteps, type Step } from '../words/ranges.ts';
import { type Entry, placeOf, readTexts, type Value } from '../reading/read.ts';
import type { Defined, Scope } from '../words/selectors.ts';

/** How many prefixes the steps of all sets may stand for, and how many one set may be left with. */
export const MAX_SET_PREFIXES = 10_000;

type Target =
  | { readonly kind: 'prefixes'; readonly prefixes: readonly Prefix[] }
  | { readonly kind: 'ipset'; readonly name: string };

interface ReadStep {
  readonly add: boolean;
  readonly target: Target;
  readonly value: Value;
}

/** Reads `ipsets`: each set as the prefixes that are left. */
export function readIpsets(
  scope: Scope,
  entries: readonly Entry[],
): ReadonlyMap<string, readonly Prefix[]> {
  for (const { name, place } of entries) {
    if (/^ipset:[^\s:]+$/.test(name)) continue;
    const hint = prefixHint(name, 'ipset:');
    scope.problems.add(place, `ipset must start with 'ipset:', got: ${quote(name)}`, hint);
  }
  const steps = new Map(entries.map(({ name, value }) => [name, readSteps(scope, value)]));
  return new Resolution(scope, steps).all();
}

function readSteps({ problems, defined }: Scope, at: Value): readonly ReadStep[] {
  return readTexts(problems, at).flatMap(({ text, value }) => {
    const [, verb, name = ''] = /^(?:(add|remove)\s+)?(.*)$/s.exec(text) ?? [];
    const target = parseTarget(defined, name);
    if ('message' in target) {
      problems.add(placeOf(value), target.message, target.hint);
      return [];
    }
    return [{ add: verb !== 'remove', target, value }];
  });
}

function parseTarget(defined: Defined, name: string): Target | Fault {
  const prefix = parseAliasPrefix(name);
  if (prefix !== undefined) return { kind: 'prefixes', prefixes: [prefix] };
  if (name === 'autogroup:internet') return { kind: 'prefixes', prefixes: INTERNET };
  if (name.startsWith('ipset:')) {
    if (defined.ipsets.has(name)) return { kind: 'ipset', name };
    const hint = (): string => didYouMean(name, defined.ipsets) ?? 'define it in "ipsets"';
    return { message: `ipset not found: ${quote(name)}`, hint };
  }
  const host = name.startsWith('host:') ? name.slice('host:'.length) : name;
  if (defined.hosts.has(host)) {
    const known = defined.hosts.get(host);
    return { kind: 'prefixes', prefixes: known === undefined ? [] : [known] };
  }
  if (defined.ipsets.has(`ipset:${name}`)) {
    return { message: `invalid ipset target: ${quote(name)}`, hint: askFor(`ipset:${name}`) };
  }
  return {
    message: `invalid ipset target: ${quote(name)}`,
    hint: 'write an address, a prefix, host:name, ipset:name or autogroup:internet, after add or remove',
  };
}

/** Works sets out in the order that they need each other. */
class Resolution {
  readonly #scope: Scope;
  readonly #steps: ReadonlyMap<string, readonly ReadStep[]>;
  readonly #done = new Map<string, readonly Prefix[]>();
  #budget = MAX_SET_PREFIXES;

  constructor(scope: Scope, steps: ReadonlyMap<string, readonly ReadStep[]>) {
    this.#scope = scope;
    this.#steps = steps;
  }

  all(): ReadonlyMap<string, readonly Prefix[]> {
    for (const name of this.#steps.keys()) this.#resolve(name);
    return this.#done;
  }

  /** Not recursive: a chain of sets can be as long as the text. */
  #resolve(start: string): void {
    const open = new Set([start]);
    const stack = [{ name: start, step: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { name } = top;
      const step = this.#steps.get(name)?.[top.step++];
      if (this.#done.has(name) || step === undefined) {
        if (!this.#done.has(name)) this.#done.set(name, this.#apply(name));
        open.delete(name);
        stack.pop();
        continue;
      }
      const { target, value } = step;
      if (target.kind !== 'ipset' || this.#done.has(target.name)) continue;
      if (open.has(target.name)) {
        const message = `${quote(target.name)} is made of itself: ipsets cannot be circular`;
        this.#scope.problems.add(placeOf(value), message);
        continue;
      }
      open.add(target.name);
      stack.push({ name: target.name, step: 0 });
    }
  }

  #apply(name: string): readonly Prefix[] {
    const steps = this.#steps.get(name) ?? [];
    const out: Step[] = [];
    for (const { add, target, value } of steps) {
      const prefixes =
        target.kind === 'prefixes' ? target.prefixes : (this.#done.get(target.name) ?? []);
      const before = this.#budget;
      this.#budget -= prefixes.length;
      if (this.#budget < 0) {
        const message = `ipsets stand for more than ${MAX_SET_PREFIXES} prefixes`;
        if (before >= 0) this.#scope.problems.add(placeOf(value), message);
        return [];
      }
      for (const prefix of prefixes) out.push({ add, prefix });
    }
    const left = applySteps(out, MAX_SET_PREFIXES);
    const [last] = steps.slice(-1);
    if (left === undefined && last !== undefined) {
      const message = `${quote(name)} is left with more than ${MAX_SET_PREFIXES} prefixes`;
      this.#scope.problems.add(placeOf(last.value), message, 'remove fewer or larger parts of it');
    }
    return left ?? [];
  }
}
