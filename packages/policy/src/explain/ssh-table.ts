/**
 * The SSH rules of a policy, asked about single sessions, in the order in which clients take them. It
 * follows the text of the policy, not what was compiled from it.
 *
 * Source: Tailscale's policy file syntax §Tailscale SSH.
 */
import type { Explainable } from '../contract.ts';
import { isAddresses, isAutogroup } from '../engine/selector.ts';
import type { Alias, Placed, SshRule } from '../policy.ts';
import { inOrder, localpartOf, NONROOT, ROOT } from '../ssh/compile.ts';
import type { PolicyUser } from '../subjects.ts';
import { belongTogether, type End, meansNewcomer } from './ends.ts';

/** What the rules say of one session. */
export type SshVerdict =
  | { readonly outcome: 'accept' | 'check'; readonly by: SshCandidate }
  | { readonly outcome: 'denied'; readonly near: readonly SshCandidate[] };

/** A rule that means both ends; `admits` is all the way. */
export interface SshCandidate {
  readonly rule: SshRule;
  readonly fit: 'admits' | 'user' | 'posture' | 'self';
  readonly source: Placed<Alias>;
  readonly destination: Placed<Alias>;
}

/** By rule in their order, the word that means an end as a source. */
export interface SshSource {
  readonly end: End;
  readonly owner: PolicyUser | undefined;
  readonly words: readonly (Placed<Alias> | undefined)[];
  /** By rule, whether the end meets its postures. */
  readonly meets: readonly boolean[];
}

export class SshTable {
  readonly rules: readonly SshRule[];
  /** Whether a policy is set at all. */
  readonly isPolicy: boolean;
  readonly #engine: Explainable;

  constructor(engine: Explainable) {
    this.rules = inOrder(engine.policy);
    this.isPolicy = engine.withoutRules === undefined;
    this.#engine = engine;
  }

  asSource(end: End): SshSource {
    const owner =
      end.newcomer === undefined
        ? end.node && this.#engine.resolver.ownerOf(end.node)
        : newcomer(end.newcomer);
    const words = this.rules.map((rule) =>
      rule.sources.find(({ value }) => this.#means(value, end)),
    );
    const meets = this.rules.map(({ postures }) => {
      if (postures.length === 0) return true;
      return end.node !== undefined && this.#engine.resolver.meets(postures, end.node);
    });
    return { end, owner, words, meets };
  }

  /** Sources, one of each kind that the rules or the caller tell apart. */
  distinct(ends: readonly End[], kindOf: (end: End) => string = () => ''): readonly SshSource[] {
    const found = new Map<string, SshSource>();
    for (const end of ends) {
      const source = this.asSource(end);
      const bits = source.words.map((word, i) =>
        word !== undefined && source.meets[i] ? '1' : '0',
      );
      const key = [...bits, source.owner?.id, source.owner?.name, kindOf(end)].join(' ');
      if (!found.has(key)) found.set(key, source);
    }
    return [...found.values()];
  }

  verdict(source: SshSource, destination: End, user: string): SshVerdict {
    const near: SshCandidate[] = [];
    for (const [i, rule] of this.rules.entries()) {
      const word = source.words[i];
      if (word === undefined) continue;
      const candidate = this.#candidate(i, rule, word, source, destination, user);
      if (candidate?.fit === 'admits') return { outcome: rule.action, by: candidate };
      if (candidate !== undefined) near.push(candidate);
    }
    return { outcome: 'denied', near };
  }

  /** Whether a rule has the end as a destination, whoever the source is. */
  means(rule: SshRule, destination: End): boolean {
    return rule.destinations.some(({ value }) => this.#means(value, destination));
  }

  #candidate(
    i: number,
    rule: SshRule,
    word: Placed<Alias>,
    source: SshSource,
    destination: End,
    user: string,
  ): SshCandidate | undefined {
    const meant = rule.destinations.find(({ value }) => this.#means(value, destination));
    const self = rule.destinations.find(({ value }) => isAutogroup(value, 'self'));
    const together = belongTogether(source.end, destination);
    const by = meant ?? self;
    if (by === undefined || destination.node === undefined) return undefined;
    const say = (fit: SshCandidate['fit']): SshCandidate => ({
      rule,
      fit,
      source: word,
      destination: by,
    });
    if (meant === undefined && !together) return say('self');
    if (source.meets[i] === false) return say('posture');
    return say(opens(rule, source.owner, user) ? 'admits' : 'user');
  }

  #means(alias: Alias, end: End): boolean {
    if (isAddresses(alias)) return false;
    if (end.newcomer !== undefined) return meansNewcomer(this.#engine.policy, alias, end.newcomer);
    return end.node !== undefined && this.#engine.resolver.matches(alias, end.node);
  }
}

/** Whether a rule lets in as a user. */
function opens(rule: SshRule, owner: PolicyUser | undefined, user: string): boolean {
  return rule.users.some(({ value }) => {
    if (value === user) return true;
    if (value === NONROOT) return user !== ROOT;
    return owner !== undefined && localpartOf(value, owner) === user;
  });
}

function newcomer(name: string): PolicyUser {
  return { id: -1, name, email: name, providerId: '', role: undefined };
}
