/**
 * One question about flows, answered pair by pair: by which rule a flow is allowed, or for want of which,
 * and through which router. It asks the policy itself, and the engine only for who is who and which
 * routes a device is sent; tests hold it against the compiled filters.
 */
import type { Explainable } from '../contract.ts';
import type { PolicyNode } from '../subjects.ts';
import { type End, Ends, isTailnetAddress, type NodeName, referEnd } from './ends.ts';
import type { Direction, Finding, Match, Question, Reason, Subject } from './explanation.ts';
import { merged, type Pair, pairs, representatives } from './pairs.ts';
import { because, nearestRules, noEnd } from './reasons.ts';
import {
  admitsUnruled,
  type Candidate,
  type DestinationSide,
  RuleTable,
  type Service,
  type SourceSide,
  type Through,
} from './rule-table.ts';
import { isRouted, taken, type Way, type Ways, waysTo } from './ways.ts';
import {
  formatAlias,
  formatDestination,
  formatPlace,
  formatRange,
  formatService,
  linesOf,
  refer,
} from './words.ts';

/** As a destination: the devices of the source's user. */
export const OWN = 'autogroup:self';

/** What the answer to one question needs again and again. */
export class Inquiry {
  readonly #engine: Explainable;
  readonly #service: Service;
  readonly #serviceName: string;
  readonly #name: NodeName;
  readonly #ends: Ends;
  readonly #table: RuleTable;
  readonly #from: PerEnd<SourceSide>;
  readonly #to: PerEnd<DestinationSide>;
  readonly #ways: PerEnd<Ways>;

  constructor(engine: Explainable, service: Pick<Question, 'port' | 'protocol'>, name: NodeName) {
    this.#engine = engine;
    this.#service = { protocols: [service.protocol], port: service.port };
    this.#serviceName = formatService(service.protocol, service.port);
    this.#name = name;
    this.#ends = new Ends(engine, name);
    this.#table = new RuleTable(engine.policy, engine.resolver, (prefix) =>
      isRouted(engine, prefix),
    );
    this.#from = new PerEnd((end) => this.#table.asSource(end));
    this.#to = new PerEnd((end) => this.#table.asDestination(end));
    this.#ways = new PerEnd((end) => waysTo(engine, end));
  }

  /** Whether connections can begin at a subject: not on the internet, and not at what means nothing. */
  mayBegin(subject: Subject): boolean {
    const ends = this.#ends.of(subject);
    return ends.ok && ends.value.some((end) => !end.internet);
  }

  direction(from: Subject, to: Subject): Direction {
    const sources = this.#ends.of(from);
    if (!sources.ok) return nobody(noEnd(sources.error, 'unknown-source'));
    const self = to === OWN;
    const destinations = self ? undefined : this.#ends.of(to);
    if (destinations?.ok === false) {
      return nobody(noEnd(destinations.error, 'unknown-destination'));
    }
    const fixed = representatives(this.#engine, destinations?.value ?? []);
    const { pairs: all, unexamined } = pairs(
      representatives(this.#engine, sources.value),
      (source) => (self ? representatives(this.#engine, this.#ends.ownOf(source)) : fixed),
    );
    if (all.length === 0) {
      return nobody(
        because('nobody', undefined, `${from} has no user, so autogroup:self means nothing to it`),
      );
    }
    const findings = merged(
      all.map((pair) => this.finding(pair)),
      (finding) => JSON.stringify([finding.match, finding.router, finding.reasons]),
    );
    return summary(findings, unexamined);
  }

  /** What holds for one pair. */
  finding(pair: Pair): Finding {
    const { source, destination } = pair;
    const verdict = this.#verdict(pair);
    const service = `${source.name} ${'reasons' in verdict ? 'may not' : 'may'} reach ${destination.name} (${this.#serviceName})`;
    const example = { source: referEnd(source), destination: referEnd(destination) };
    if ('reasons' in verdict) {
      const { reasons } = verdict;
      const why = reasons.map(({ text }) => text).join('; ');
      return {
        allowed: false,
        flows: 1,
        example,
        match: null,
        router: null,
        reasons,
        text: `${service}: ${why}`,
      };
    }
    const { by, way } = verdict;
    const through =
      way === undefined ? '' : ` through ${this.#name(way.router)} (${formatRange(way.route)})`;
    const why =
      by === undefined
        ? verdict.why
        : `${formatPlace(by.rule.place)} admits ${formatAlias(by.source.value)} to ${formatDestination(by.destination)}`;
    return {
      allowed: true,
      flows: 1,
      example,
      match: by === undefined ? null : matchOf(by),
      router: way?.router.id ?? null,
      reasons: [],
      text: `${service}${through}: ${why}`,
    };
  }

  #verdict({ source, destination }: Pair): Verdict {
    if (source.internet) {
      return denied('no-route', 'nothing on the internet can begin a connection into the tailnet');
    }
    // What is behind a router is carried by it, and needs a way back.
    let carrier = source;
    if (source.node === undefined) {
      const ways = this.#ways.of(source);
      const [back] = taken(this.#engine, destination, ways.approved);
      if (back === undefined) return { reasons: [this.#wayless(source, destination, ways)] };
      carrier = this.#ends.device(back.router);
    }
    if (destination.node === undefined) return this.#outward(source, carrier, destination);
    if (this.#table.rules === undefined) return this.#unruled(carrier, destination, undefined);
    return this.#byRules(source, destination, undefined, undefined);
  }

  /** The verdict on a flow to what is behind a router or an exit node. */
  #outward(source: End, carrier: End, destination: End): Verdict {
    const ways = this.#ways.of(destination);
    const own = ways.approved.find(({ router }) => router.id === carrier.node?.id);
    if (own !== undefined) {
      return denied(
        'no-route',
        `${carrier.name} has ${formatRange(own.route)} itself, so this does not pass through the tailnet`,
      );
    }
    const sent = taken(this.#engine, carrier, ways.approved);
    const through = (way: Way | undefined): Verdict => {
      if (this.#table.rules !== undefined) {
        return this.#byRules(source, destination, way?.router ?? 'any-router', way);
      }
      const router = way === undefined ? undefined : this.#ends.device(way.router);
      return this.#unruled(carrier, router, way);
    };
    for (const way of sent) {
      const verdict = through(way);
      if ('by' in verdict) return verdict;
    }
    const [nearest] = sent.length > 0 ? sent : ways.approved;
    const verdict = through(nearest);
    const reasons = 'by' in verdict ? [] : verdict.reasons;
    if (nearest !== undefined && reasons.length > 0) return { reasons };
    return { reasons: [this.#wayless(destination, carrier, ways), ...reasons] };
  }

  /** The verdict where there are no rules: that of the devices which carry a flow, if both are known. */
  #unruled(from: End, to: End | undefined, way: Way | undefined): Verdict {
    if (!admitsUnruled(this.#service)) {
      return denied('port', 'without rules only TCP, UDP and ICMP get through');
    }
    const { withoutRules } = this.#engine;
    const [a, b] = withOwners(from, to);
    if (withoutRules === undefined || a === undefined || b === undefined) {
      return { by: undefined, way, why: 'the policy has no rules, so everything is allowed' };
    }
    const { allowed, why } = withoutRules(a, b);
    return allowed ? { by: undefined, way, why } : denied('no-policy', why);
  }

  /** The verdict of the rules on a flow that takes a way, or needs none. */
  #byRules(source: End, destination: End, through: Through, way: Way | undefined): Verdict {
    const from = this.#from.of(source);
    const to = this.#to.of(destination);
    for (const candidate of this.#table.candidates(from, to, this.#service, through)) {
      if (candidate.fit === 'admits') return { by: candidate, way };
    }
    const reasons = nearestRules(this.#table, from, to, this.#service, through);
    if (reasons.length > 0) return { reasons };
    return denied(
      'nothing',
      `no rule has ${source.name} as a source or ${destination.name} as a destination`,
    );
  }

  /** Why there is no way to an end for a device. */
  #wayless(end: End, device: End, { approved, waiting }: Ways): Reason {
    const [hidden] = approved;
    if (hidden !== undefined) {
      const { router, route } = hidden;
      return because(
        'hidden',
        undefined,
        `${this.#name(router)} serves ${formatRange(route)}, but ${device.name} may not use that route`,
      );
    }
    const [first] = waiting;
    if (first !== undefined) {
      const { router, route } = first;
      return because(
        'not-approved',
        undefined,
        `${this.#name(router)} announces ${formatRange(route)}, but nobody has approved it`,
      );
    }
    if (end.internet) return because('no-route', undefined, 'the tailnet has no exit node');
    const own = end.addresses.some(isTailnetAddress);
    return because(
      'no-route',
      undefined,
      own ? `no device has the address ${end.name}` : `no device announces a route to ${end.name}`,
    );
  }
}

type Verdict =
  | { readonly by: Candidate; readonly way: Way | undefined }
  /** There are no rules. */
  | { readonly by: undefined; readonly way: Way | undefined; readonly why: string }
  | { readonly reasons: readonly Reason[] };

/** The devices at two ends, each with an owner: people who have not come yet are told apart by their names. */
function withOwners(
  a: End,
  b: End | undefined,
): readonly [PolicyNode | undefined, PolicyNode | undefined] {
  return [owned(a, -1), owned(b, a.newcomer === b?.newcomer ? -1 : -2)];
}

/** The device at an end; that of a newcomer belongs to a user of this id. */
function owned(end: End | undefined, newcomerId: number): PolicyNode | undefined {
  if (end?.node === undefined || end.newcomer === undefined) return end?.node;
  return { ...end.node, userId: newcomerId };
}

/** Computes what is asked of an end once. */
class PerEnd<T> {
  readonly #known = new Map<End, T>();
  readonly #compute: (end: End) => T;

  constructor(compute: (end: End) => T) {
    this.#compute = compute;
  }

  of(end: End): T {
    const known = this.#known.get(end);
    if (known !== undefined) return known;
    const computed = this.#compute(end);
    this.#known.set(end, computed);
    return computed;
  }
}

function denied(kind: Reason['kind'], text: string): Verdict {
  return { reasons: [because(kind, undefined, text)] };
}

/** The answer to a question that means nothing. */
function nobody(reason: Reason): Direction {
  const nowhere = { node: null, address: null };
  const finding: Finding = {
    allowed: false,
    flows: 0,
    example: { source: nowhere, destination: nowhere },
    match: null,
    router: null,
    reasons: [reason],
    text: reason.text,
  };
  return { outcome: 'denied', findings: [finding], unexamined: 0, text: reason.text };
}

function summary(findings: readonly Finding[], unexamined: number): Direction {
  const allowed = findings.filter((finding) => finding.allowed).length;
  return {
    outcome: allowed === findings.length ? 'allowed' : allowed === 0 ? 'denied' : 'mixed',
    findings,
    unexamined,
    text: linesOf(findings, unexamined),
  };
}

function matchOf({ rule, source, destination }: Candidate): Match {
  return {
    rule: refer(rule.place),
    source: formatAlias(source.value),
    destination: formatDestination(destination),
  };
}
