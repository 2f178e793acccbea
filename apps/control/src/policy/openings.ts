/**
 * Who may open what on a node, out of its packet filter, and how that differs under another policy. A
 * filter names a router's destinations in many ways; here each is the node itself, a subnet behind it,
 * or the internet.
 */
import type { Family } from '@malla/ip/address';
import { contains, containsPrefix, formatPrefix, parsePrefixOrAddress } from '@malla/ip/prefix';
import type { NamedFilter } from '@malla/policy/contract';
import { INTERNET, overlapsInternet } from '@malla/policy/internet';
import type { PolicyNode } from '@malla/policy/subjects';
import type { FilterDestination, FilterRule } from '@malla/wire/tailcfg/filter';
import type { Access, Names } from './policy-change.ts';
import type { NameSet, SourceNames } from './source-names.ts';

/** What is open, and to whom. */
interface Opening {
  /** `*` for the node itself, `autogroup:internet`, an address, a prefix. */
  readonly to: string;
  /** Of a capability; absent for packets. */
  readonly capability: string | undefined;
  /** IANA numbers. */
  readonly protocols: readonly number[];
  readonly first: number;
  readonly last: number;
  readonly from: NameSet;
}

/** By what is open. */
export type Openings = ReadonlyMap<string, Opening>;

const ITSELF = '*';
const THE_INTERNET = 'autogroup:internet';
const INTERNET_TEXTS: ReadonlySet<string> = new Set(INTERNET.map(formatPrefix));
/** What clients take a rule without protocols for. */
const DEFAULT_PROTOCOLS: readonly number[] = [1, 6, 17, 58];

/** What a filter opens on a node, or on nodes that are alike. */
export function openingsOf(filter: NamedFilter, node: PolicyNode, names: SourceNames): Openings {
  const found = new Map<string, Opening>();
  const add = (what: Omit<Opening, 'from'>, from: NameSet): void => {
    if (from.size === 0) return;
    const key = JSON.stringify([what.to, what.capability, what.protocols, what.first, what.last]);
    found.set(key, { ...what, from: names.union(found.get(key)?.from, from) });
  };
  for (const rule of [...filter.values()].flat()) {
    for (const [{ First: first, Last: last }, texts] of destinationsByPorts(rule)) {
      const what = { capability: undefined, protocols: rule.IPProto ?? [], first, last };
      for (const { to, family } of placesOf(texts, node)) {
        add({ ...what, to }, names.of(rule.SrcIPs, family));
      }
    }
    for (const { Dsts, CapMap } of rule.CapGrant ?? []) {
      for (const { to, family } of placesOf(new Set(Dsts), node)) {
        if (to !== ITSELF) continue;
        for (const capability of Object.keys(CapMap)) {
          const what = { to, capability, protocols: [], first: 0, last: 0 };
          add(what, names.of(rule.SrcIPs, family));
        }
      }
    }
  }
  return found;
}

/** How a difference is told. */
export interface Telling {
  readonly sources: SourceNames;
  /** Names of what is on the node's own side: nothing comes from there over the tailnet. */
  readonly own: NameSet;
  readonly names: (all: readonly string[]) => Names;
}

/** What differs. Nothing is lost that is still open in another way. */
export function compareOpenings(
  before: Openings,
  after: Openings,
  telling: Telling,
): { readonly gained: Access[]; readonly lost: Access[] } {
  const { sources } = telling;
  const gained = new Told(telling);
  const lost = new Told(telling);
  for (const [key, now] of after) {
    gained.add(now, sources.delta(before.get(key)?.from ?? NOBODY, now.from).gained);
  }
  for (const [key, was] of before) {
    const gone = sources.delta(was.from, after.get(key)?.from ?? NOBODY).lost;
    if (gone.length === 0) continue;
    const others = [...after.values()].filter((now) => covers(now, was));
    lost.add(
      was,
      gone.filter((name) => !others.some(({ from }) => from.has(name))),
    );
  }
  return { gained: gained.entries(), lost: lost.entries() };
}

const NOBODY: NameSet = new Set();

/** What is told of many destinations at once, where the same is open there to the same. */
class Told {
  readonly #telling: Telling;
  readonly #entries = new Map<string, { what: string; from: readonly string[]; to: string[] }>();

  constructor(telling: Telling) {
    this.#telling = telling;
  }

  add(opening: Opening, all: readonly string[]): void {
    const { sources, own } = this.#telling;
    const from = sources.shorten(all).filter((name) => !own.has(name));
    if (from.length === 0) return;
    const what = whatOf(opening);
    // The node itself is told apart from what is behind it.
    const key = JSON.stringify([opening.to === ITSELF, what, from.toSorted()]);
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, { what, from, to: [opening.to] });
    else known.to.push(opening.to);
  }

  entries(): Access[] {
    const { names } = this.#telling;
    return [...this.#entries.values()].map(({ what, from, to }) => ({
      from: names(from),
      to: names(to),
      what,
    }));
  }
}

/** The destinations of a rule, those of the same ports together. */
function destinationsByPorts({
  DstPorts = [],
}: FilterRule): Iterable<readonly [FilterDestination['Ports'], ReadonlySet<string>]> {
  const found = new Map<string, readonly [FilterDestination['Ports'], Set<string>]>();
  for (const { IP, Ports } of DstPorts) {
    const key = `${Ports.First} ${Ports.Last}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, [Ports, new Set([IP])]);
    else known[1].add(IP);
  }
  return found.values();
}

/** A destination at a node, for packets of one family or of both. */
interface Place {
  readonly to: string;
  readonly family: Family | undefined;
}

/** What destinations are at a node: the node itself, parts of what is behind it. Nothing else arrives there. */
function placesOf(texts: ReadonlySet<string>, node: PolicyNode): readonly Place[] {
  const { addresses, routes, exitNode } = node;
  const places: Place[] = [];
  const isInternet = exitNode && [...INTERNET_TEXTS].every((text) => texts.has(text));
  if (isInternet) places.push({ to: THE_INTERNET, family: undefined });
  for (const text of texts) {
    if (text === '*') {
      places.push({ to: ITSELF, family: undefined });
      for (const route of routes) {
        places.push({ to: formatPrefix(route), family: route.network.family });
      }
      if (exitNode) places.push({ to: THE_INTERNET, family: undefined });
      continue;
    }
    const parsed = parsePrefixOrAddress(text);
    if (!parsed.ok) continue;
    const prefix = parsed.value;
    const { family } = prefix.network;
    if (addresses.some((own) => contains(prefix, own))) places.push({ to: ITSELF, family });
    for (const route of routes) {
      if (containsPrefix(prefix, route)) places.push({ to: formatPrefix(route), family });
      else if (containsPrefix(route, prefix)) places.push({ to: text, family });
    }
    if (!exitNode || (isInternet && INTERNET_TEXTS.has(text)) || !overlapsInternet(prefix))
      continue;
    places.push(prefix.bits === 0 ? { to: THE_INTERNET, family } : { to: text, family });
  }
  return places;
}

/** Whether what is open by one is open by the other too. */
function covers(wide: Opening, narrow: Opening): boolean {
  if (!holds(wide.to, narrow.to) || wide.capability !== narrow.capability) return false;
  if (wide.capability !== undefined) return true;
  const has = protocolsOf(wide);
  return (
    wide.first <= narrow.first &&
    narrow.last <= wide.last &&
    protocolsOf(narrow).every((protocol) => has.includes(protocol))
  );
}

/** Whether one place is part of another. */
function holds(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  const inner = parsePrefixOrAddress(narrow);
  if (!inner.ok) return false;
  if (wide === THE_INTERNET) return INTERNET.some((part) => containsPrefix(part, inner.value));
  const outer = parsePrefixOrAddress(wide);
  return outer.ok && containsPrefix(outer.value, inner.value);
}

function protocolsOf({ protocols }: Opening): readonly number[] {
  return protocols.length === 0 ? DEFAULT_PROTOCOLS : protocols;
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
};

/** `*`, `22`, `tcp:80-90`, the name of a capability. */
function whatOf({ capability, protocols, first, last }: Opening): string {
  if (capability !== undefined) return capability;
  const isAll = first === 0 && last === 65_535;
  const ports = isAll ? '*' : first === last ? `${first}` : `${first}-${last}`;
  if (protocols.length === 0) return ports;
  return `${protocols.map((number) => PROTOCOLS[number] ?? `${number}`).join(',')}:${ports}`;
}
