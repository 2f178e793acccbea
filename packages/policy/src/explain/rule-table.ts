/**
 * The rules of a policy, asked about single flows: which of them means the source, which the destination,
 * and what is missing. It follows the text of the policy, not what was compiled from it.
 *
 * Source: Tailscale's policy file syntax, `acls` and `grants`; docs/protocol/control.md §Packet filters.
 */
import { containsPrefix, type Prefix } from '@malla/ip/prefix';
import type { Resolver } from '../contract.ts';
import { isAddresses, isAutogroup, prefixesOf } from '../engine/selector.ts';
import {
  type Admission,
  type Alias,
  ALL_PORTS,
  type Destination,
  type Placed,
  type Policy,
  type Rule,
} from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';
import { belongTogether, type End, isTailnetAddress, meansNewcomer } from './ends.ts';
import { Protocol } from './words.ts';

/** What packets want at the destination. */
export interface Service {
  /** IANA numbers; one that is admitted is enough. */
  readonly protocols: readonly number[];
  /** Undefined: any. */
  readonly port: number | undefined;
}

/** How far a rule that means both sides is from admitting a flow; `admits` is all the way. */
export type Fit = 'admits' | 'posture' | 'self' | 'via' | 'port';

/** A rule that means both sides. */
export interface Candidate {
  readonly rule: Rule;
  readonly fit: Fit;
  readonly source: Placed<Alias>;
  readonly destination: Destination;
}

/** What lies between both sides: a router, whichever there is, or nothing, as between devices. */
export type Through = PolicyNode | 'any-router' | undefined;

/** By rules in their order, the words that mean an end as a source. Rules without one are left out. */
export interface SourceSide {
  readonly end: End;
  readonly words: ReadonlyMap<Rule, readonly Placed<Alias>[]>;
}

/** The same for a destination. Words that may mean it: `autogroup:self` depends on the source. */
export interface DestinationSide {
  readonly end: End;
  readonly words: ReadonlyMap<Rule, readonly Destination[]>;
}

/** What clients take a rule without protocols for. */
const DEFAULT_PROTOCOLS: readonly number[] = [
  Protocol.tcp,
  Protocol.udp,
  Protocol.icmp,
  Protocol.icmp6,
];
const WITH_PORTS: readonly number[] = [Protocol.tcp, Protocol.udp, Protocol.sctp];
const ECHO: readonly number[] = [Protocol.icmp, Protocol.icmp6];

export class RuleTable {
  /** Absent: TCP, UDP and ICMP are admitted everywhere. */
  readonly rules: readonly Rule[] | undefined;
  readonly #policy: Policy;
  readonly #resolver: Resolver;
  /** Whether a prefix is behind a router, by an approved route. */
  readonly #isRouted: (prefix: Prefix) => boolean;

  constructor(policy: Policy, resolver: Resolver, isRouted: (prefix: Prefix) => boolean) {
    this.rules = policy.rules;
    this.#policy = policy;
    this.#resolver = resolver;
    this.#isRouted = isRouted;
  }

  asSource(end: End): SourceSide {
    const words = new Map<Rule, readonly Placed<Alias>[]>();
    for (const rule of this.rules ?? []) {
      if (!rule.sources.some(({ value }) => this.#meansSource(value, end))) continue;
      words.set(
        rule,
        rule.sources.filter(({ value }) => this.#meansSource(value, end)),
      );
    }
    return { end, words };
  }

  asDestination(end: End): DestinationSide {
    const words = new Map<Rule, readonly Destination[]>();
    for (const rule of this.rules ?? []) {
      if (!rule.destinations.some(({ alias }) => this.#meansDestination(alias, end))) continue;
      words.set(
        rule,
        rule.destinations.filter(({ alias }) => this.#meansDestination(alias, end)),
      );
    }
    return { end, words };
  }

  /** Whether any rule admits the flow. */
  admits(
    source: SourceSide,
    destination: DestinationSide,
    service: Service,
    through: Through,
  ): boolean {
    if (this.rules === undefined) return admitsUnruled(service);
    for (const { fit } of this.candidates(source, destination, service, through)) {
      if (fit === 'admits') return true;
    }
    return false;
  }

  /**
   * The rules that mean both sides.
   * @yields in their order
   */
  *candidates(
    source: SourceSide,
    destination: DestinationSide,
    service: Service,
    through: Through,
  ): Generator<Candidate> {
    for (const rule of source.words.keys()) {
      if (!destination.words.has(rule)) continue;
      const candidate = this.#candidate(rule, source, destination, service, through);
      if (candidate !== undefined) yield candidate;
    }
  }

  /** Whether a destination, for whomever, is open to the service. */
  admitsAt({ admissions }: Destination, service: Service): boolean {
    return admissions.some((admission) => admitsService(admission, service));
  }

  /** The rule as far as it gets: by the words that bring it furthest. */
  #candidate(
    rule: Rule,
    { end: source, words }: SourceSide,
    { end: destination, words: meantBy }: DestinationSide,
    service: Service,
    through: Through,
  ): Candidate | undefined {
    let nearest: Candidate | undefined;
    for (const meant of meantBy.get(rule) ?? []) {
      const word = words
        .get(rule)
        ?.find(({ value }) => this.#meet(value, source, meant, destination));
      if (word === undefined) continue;
      const fit = this.#fit(rule, source, destination, meant, service, through);
      if (fit === 'admits') return { rule, fit, source: word, destination: meant };
      nearest ??= { rule, fit, source: word, destination: meant };
    }
    return nearest;
  }

  #fit(
    rule: Rule,
    source: End,
    destination: End,
    meant: Destination,
    service: Service,
    through: Through,
  ): Fit {
    if (isAutogroup(meant.alias, 'self') && !belongTogether(source, destination)) return 'self';
    if (!this.admitsAt(meant, service)) return 'port';
    if (rule.postures.length > 0) {
      const met = meetsAt(source, (node) => this.#resolver.meets(rule.postures, node));
      if (!met) return 'posture';
    }
    if (through === 'any-router') return 'admits';
    if (rule.via.length > 0) {
      const tags = through?.tags ?? [];
      if (!rule.via.some(({ value }) => tags.includes(value))) return 'via';
    }
    const needsExit = isAutogroup(meant.alias, 'internet');
    return needsExit && through?.exitNode !== true ? 'via' : 'admits';
  }

  /** Whether what the words mean at both ends has a family of addresses in common. */
  #meet(word: Alias, source: End, meant: Destination, destination: End): boolean {
    if (source.addresses.length === 0 || destination.addresses.length === 0) return true;
    const from = this.#meantAddresses(word, source);
    const to = this.#meantAddresses(meant.alias, destination);
    return from.some((a) => to.some((b) => a.network.family === b.network.family));
  }

  #meansSource(alias: Alias, end: End): boolean {
    if (alias.kind === 'any') {
      return end.node !== undefined || end.addresses.some((prefix) => this.#isOfTailnet(prefix));
    }
    if (isAutogroup(alias, 'danger-all')) return true;
    return this.#means(alias, end);
  }

  #meansDestination(alias: Alias, end: End): boolean {
    if (alias.kind === 'any') return true;
    if (isAutogroup(alias, 'internet')) return end.internet;
    if (isAutogroup(alias, 'self')) return end.node !== undefined;
    return this.#means(alias, end);
  }

  #means(alias: Alias, end: End): boolean {
    if (isAddresses(alias)) return this.#meantAddresses(alias, end).length > 0;
    if (end.newcomer !== undefined) return meansNewcomer(this.#policy, alias, end.newcomer);
    return end.node !== undefined && this.#resolver.matches(alias, end.node);
  }

  /** Those addresses of an end that an alias means: all of a device that it means. */
  #meantAddresses(alias: Alias, end: End): readonly Prefix[] {
    if (!isAddresses(alias)) return end.addresses;
    const ranges = prefixesOf(alias, this.#policy);
    return end.addresses.filter((own) => ranges.some((range) => containsPrefix(range, own)));
  }

  /** What `*` means as a source beside devices: the tailnet's own ranges and what is behind its routers. */
  #isOfTailnet(prefix: Prefix): boolean {
    return isTailnetAddress(prefix) || this.#isRouted(prefix);
  }
}

/** Whether packets get through where there are no rules: of what clients take such a filter for. */
export function admitsUnruled(service: Service): boolean {
  return admitsService({ protocols: [], ports: [ALL_PORTS] }, service);
}

/** Whether an end meets what is asked of devices: what is behind a router is none. */
function meetsAt({ node, addresses }: End, meets: (node: PolicyNode) => boolean): boolean {
  return node === undefined ? !addresses.some(isTailnetAddress) : meets(node);
}

/**
 * Whether packets of one of the protocols get through. Clients admit a ping wherever they admit
 * anything, and other protocols without ports only with all ports.
 */
function admitsService({ protocols, ports }: Admission, service: Service): boolean {
  const open = protocols.length === 0 ? DEFAULT_PROTOCOLS : protocols;
  return service.protocols.some((protocol) => {
    if (protocol === Protocol.tsmp || ECHO.includes(protocol)) return true;
    if (!open.includes(protocol)) return false;
    if (!WITH_PORTS.includes(protocol)) {
      return ports.some(({ first, last }) => first === 0 && last === 65_535);
    }
    const { port } = service;
    return ports.some(({ first, last }) => port === undefined || (first <= port && port <= last));
  });
}
