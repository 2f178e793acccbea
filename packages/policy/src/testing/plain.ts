/**
 * What the rules of a policy say, read rule by rule and node by node: slow, and obviously right. For
 * tests, to compare with what the engine compiled.
 */
import { type Address, compareAddresses } from '@malla/ip/address';
import { contains, formatPrefix, overlaps, type Prefix } from '@malla/ip/prefix';
import type { FlowStart } from '@malla/testkit/packet-filter';
import type { Resolver } from '../contract.ts';
import { INTERNET } from '../internet.ts';
import type { Admission, Alias, Destination, Policy, Rule } from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';

const DEFAULT_PROTOCOLS = [6, 17, 1, 58];
const COMPANIONS: Readonly<Record<string, string>> = {
  'tailscale.com/cap/drive': 'tailscale.com/cap/drive-sharer',
  'tailscale.com/cap/relay': 'tailscale.com/cap/relay-target',
};
const ALLOW_ALL: Rule = {
  section: 'acls',
  place: { line: 1, column: 1, path: '' },
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

/** A policy over a tailnet that stands still. */
export class PlainPolicy {
  readonly #policy: Policy;
  readonly #resolver: Resolver;
  readonly #nodes: readonly PolicyNode[];

  constructor(policy: Policy, resolver: Resolver, nodes: readonly PolicyNode[]) {
    this.#policy = policy;
    this.#resolver = resolver;
    this.#nodes = nodes;
  }

  /** Whether `at` is to let a packet in. `from` is the node that sends it; absent: it comes from behind a router. */
  admits(packet: FlowStart, from: PolicyNode | undefined, at: PolicyNode): boolean {
    return this.#rules().some(
      (rule) =>
        this.#comesFrom(rule, packet.source, from) &&
        rule.destinations.some(
          (destination) =>
            this.#goesTo(rule, destination, packet.destination, from, at) &&
            destination.admissions.some((admission) => fits(admission, packet)),
        ),
    );
  }

  /** The capabilities, each with its values as text, that `from` has at an address of `at`. */
  capabilities(
    source: Address,
    from: PolicyNode,
    destination: Address,
    at: PolicyNode,
  ): ReadonlySet<string> {
    const found = new Set<string>();
    for (const rule of this.#rules()) {
      for (const { alias } of rule.destinations) {
        if (this.#grants(rule, alias, source, from, destination, at)) {
          for (const [name, values] of Object.entries(rule.app ?? {})) {
            found.add(JSON.stringify([name, values]));
          }
        }
        if (this.#grants(rule, alias, destination, at, source, from)) {
          for (const name of Object.keys(rule.app ?? {})) {
            const companion = COMPANIONS[name];
            if (companion !== undefined) found.add(JSON.stringify([companion, null]));
          }
        }
      }
    }
    return found;
  }

  /** Whether two nodes are to see each other. */
  sees(a: PolicyNode, b: PolicyNode): boolean {
    return this.#reaches(a, b) || this.#reaches(b, a);
  }

  /** The subnets and exit routes of `router` that `viewer` is to be told of; `primary` says who is for a subnet. */
  routes(
    viewer: PolicyNode,
    router: PolicyNode,
    primary: (route: Prefix, among: readonly PolicyNode[]) => PolicyNode | undefined,
  ): ReadonlySet<string> {
    const visible = new Set<string>();
    for (const route of router.routes) {
      const serving = this.#nodes.filter((node) => serves(node, route));
      const steered = this.#rules().filter(
        (rule) => rule.via.length > 0 && this.#steers(rule, viewer, route),
      );
      const open = this.#rules().some((rule) => this.#sends(rule, viewer, route, true));
      const among = open ? [] : serving.filter((node) => steered.some((rule) => isVia(rule, node)));
      if (among.length > 0) {
        if (primary(route, among)?.id === router.id) visible.add(formatPrefix(route));
        continue;
      }
      if (primary(route, serving)?.id !== router.id) continue;
      const wanted = this.#rules().some(
        (rule) => this.#sends(rule, viewer, route) || this.#receives(rule, viewer, route),
      );
      if (wanted || serves(viewer, route)) visible.add(formatPrefix(route));
    }
    const usable = this.#rules().some(
      (rule) =>
        this.#isSource(rule, viewer) &&
        (!steers(rule) || isVia(rule, router)) &&
        rule.destinations.some(
          ({ alias, admissions }) =>
            (alias.kind === 'any' && !(steers(rule) && admissions.length === 0)) ||
            isInternet(alias) ||
            this.#prefixes(alias).some(isInInternet),
        ),
    );
    if (router.exitNode && usable) visible.add('0.0.0.0/0').add('::/0');
    return visible;
  }

  #rules(): readonly Rule[] {
    return this.#policy.rules ?? [ALLOW_ALL];
  }

  #comesFrom(rule: Rule, source: Address, from: PolicyNode | undefined): boolean {
    if (from !== undefined && !this.#resolver.meets(rule.postures, from)) return false;
    return rule.sources.some(({ value }) => {
      if (value.kind === 'any' || isDanger(value)) return true;
      const prefixes = this.#prefixes(value);
      if (prefixes.length > 0) return prefixes.some((prefix) => contains(prefix, source));
      return from !== undefined && this.#resolver.matches(value, from);
    });
  }

  #goesTo(
    rule: Rule,
    { alias }: Destination,
    to: Address,
    from: PolicyNode | undefined,
    at: PolicyNode,
  ): boolean {
    const own = at.addresses.some((address) => compareAddresses(address, to) === 0);
    if (steers(rule)) {
      if (own || !isVia(rule, at)) return false;
    }
    if (isSelf(alias)) return own && from !== undefined && shareOwner(from, at);
    if (isInternet(alias)) {
      return !own && at.exitNode && INTERNET.some((prefix) => contains(prefix, to));
    }
    if (alias.kind === 'any') return true;
    const prefixes = this.#prefixes(alias);
    if (prefixes.length > 0) return prefixes.some((prefix) => contains(prefix, to));
    return own && this.#resolver.matches(alias, at);
  }

  #grants(
    rule: Rule,
    alias: Alias,
    source: Address,
    from: PolicyNode,
    destination: Address,
    at: PolicyNode,
  ): boolean {
    if (!this.#comesFrom(rule, source, from)) return false;
    if (isSelf(alias)) return shareOwner(from, at);
    if (alias.kind === 'any') return true;
    const prefixes = this.#prefixes(alias);
    if (prefixes.length > 0) return prefixes.some((prefix) => contains(prefix, destination));
    return this.#resolver.matches(alias, at);
  }

  /** Whether a rule lets one node, or what is behind it, reach another, or what is behind that. */
  #reaches(a: PolicyNode, b: PolicyNode): boolean {
    return this.#rules().some(
      (rule) =>
        this.#isSource(rule, a) &&
        rule.destinations.some(({ alias }) => {
          if (isSelf(alias)) return shareOwner(a, b) && this.#isOwnSource(rule, a);
          const forwards =
            this.#prefixes(alias).some(
              (prefix) =>
                b.routes.some((route) => overlaps(route, prefix)) ||
                (b.exitNode && isInInternet(prefix)),
            ) ||
            (isInternet(alias) && b.exitNode);
          if (!steers(rule)) return forwards || this.#resolver.matches(alias, b);
          const any = alias.kind === 'any' && (b.exitNode || b.routes.length > 0);
          return isVia(rule, b) && (forwards || any);
        }),
    );
  }

  #isOwnSource(rule: Rule, node: PolicyNode): boolean {
    if (!this.#resolver.meets(rule.postures, node)) return false;
    return rule.sources.some(({ value }) => this.#resolver.matches(value, node));
  }

  #isSource(rule: Rule, node: PolicyNode): boolean {
    if (this.#isOwnSource(rule, node)) return true;
    // What is behind a router has no posture to be asked for.
    return rule.sources.some(({ value }) =>
      value.kind === 'any' || isDanger(value)
        ? node.routes.length > 0
        : this.#prefixes(value).some((prefix) =>
            node.routes.some((route) => overlaps(route, prefix)),
          ),
    );
  }

  #steers(rule: Rule, viewer: PolicyNode, route: Prefix): boolean {
    if (!steers(rule) || !this.#isSource(rule, viewer)) return false;
    return rule.destinations.some(
      ({ alias }) =>
        alias.kind === 'any' || this.#prefixes(alias).some((prefix) => overlaps(prefix, route)),
    );
  }

  #sends(rule: Rule, viewer: PolicyNode, route: Prefix, packets = false): boolean {
    if (steers(rule) || !this.#isSource(rule, viewer)) return false;
    return rule.destinations.some(
      ({ alias, admissions }) =>
        (!packets || admissions.length > 0) &&
        (alias.kind === 'any' || this.#prefixes(alias).some((prefix) => overlaps(prefix, route))),
    );
  }

  #receives(rule: Rule, viewer: PolicyNode, route: Prefix): boolean {
    const from = rule.sources.some(
      ({ value }) =>
        value.kind === 'any' ||
        isDanger(value) ||
        this.#prefixes(value).some((prefix) => overlaps(prefix, route)),
    );
    if (!from) return false;
    return rule.destinations.some(({ alias }) => {
      const prefixes = this.#prefixes(alias);
      const forwards =
        prefixes.some(
          (prefix) =>
            viewer.routes.some((own) => overlaps(own, prefix)) ||
            (viewer.exitNode && isInInternet(prefix)),
        ) ||
        (isInternet(alias) && viewer.exitNode);
      if (steers(rule)) {
        const any = alias.kind === 'any' && (viewer.exitNode || viewer.routes.length > 0);
        return isVia(rule, viewer) && (forwards || any);
      }
      return !isSelf(alias) && (forwards || this.#resolver.matches(alias, viewer));
    });
  }

  #prefixes(alias: Alias): readonly Prefix[] {
    if (alias.kind === 'prefix') return [alias.prefix];
    if (alias.kind === 'ipset') return this.#policy.ipsets.get(alias.name) ?? [];
    if (alias.kind !== 'host') return [];
    const prefix = this.#policy.hosts.get(alias.name);
    return prefix === undefined ? [] : [prefix];
  }
}

/** Whether a rule steers: its capabilities alone do not. */
function steers(rule: Rule): boolean {
  return rule.via.length > 0 && rule.destinations.some(({ admissions }) => admissions.length > 0);
}

function isVia(rule: Rule, node: PolicyNode): boolean {
  return rule.via.some(({ value }) => node.tags.includes(value));
}

function serves(node: PolicyNode, route: Prefix): boolean {
  return node.routes.some((own) => formatPrefix(own) === formatPrefix(route));
}

function isSelf(alias: Alias): boolean {
  return alias.kind === 'autogroup' && alias.name === 'self';
}

function isInternet(alias: Alias): boolean {
  return alias.kind === 'autogroup' && alias.name === 'internet';
}

function isDanger(alias: Alias): boolean {
  return alias.kind === 'autogroup' && alias.name === 'danger-all';
}

function isInInternet(prefix: Prefix): boolean {
  return INTERNET.some((part) => overlaps(part, prefix));
}

function shareOwner(a: PolicyNode, b: PolicyNode): boolean {
  return (
    a.tags.length === 0 && b.tags.length === 0 && a.userId !== undefined && a.userId === b.userId
  );
}

function fits({ protocols, ports }: Admission, { protocol, port = 0 }: FlowStart): boolean {
  if (!(protocols.length === 0 ? DEFAULT_PROTOCOLS : protocols).includes(protocol)) return false;
  return ports.some(({ first, last }) =>
    [6, 17, 132].includes(protocol)
      ? first <= port && port <= last
      : first === 0 && last === 65_535,
  );
}
