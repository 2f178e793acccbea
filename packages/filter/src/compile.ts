/**
 * Rules of a filter made ready for packets: of each the protocols, and by family the sources and
 * destinations as ranges. A rule that has a text in it that is none was left out by whoever read it.
 *
 * Source: docs/protocol/control.md §Packet filters.
 */
import { type Address, type Family, parseAddress } from '@malla/ip/address';
import { lastAddress, parsePrefixOrAddress, type Prefix } from '@malla/ip/prefix';
import type { CapGrant, FilterRule } from '@malla/wire/tailcfg/filter';
import { type AddressRange, AddressSet } from './address-set.ts';
import { Protocol } from './packet.ts';

/** The addresses of nodes that have a capability, as texts: what `cap:` in a rule's sources means. */
export type NodesWith = (capability: string) => readonly string[];

/** Sources and destinations of one family. */
export interface CompiledRule {
  /** IANA numbers. */
  readonly protocols: ReadonlySet<number>;
  readonly sources: AddressSet;
  readonly destinations: readonly CompiledDestination[];
}

export interface CompiledDestination {
  readonly addresses: AddressSet;
  readonly firstPort: number;
  readonly lastPort: number;
}

/** Who is granted what, where. */
export interface CompiledGrant {
  readonly sources: AddressSet;
  readonly destinations: AddressSet;
  readonly capMap: CapGrant['CapMap'];
}

export interface CompiledRules {
  readonly rules: readonly CompiledRule[];
  readonly grants: readonly CompiledGrant[];
}

/** What a rule without protocols is for. */
const DEFAULT_PROTOCOLS: ReadonlySet<number> = new Set([
  Protocol.tcp,
  Protocol.udp,
  Protocol.icmp,
  Protocol.icmp6,
]);

/** Rules for packets of one family, those that can mean none left out. Never throws. */
export function compileRules(
  rules: readonly FilterRule[],
  family: Family,
  nodesWith: NodesWith,
): CompiledRules {
  const compiled: CompiledRule[] = [];
  const grants: CompiledGrant[] = [];
  for (const { SrcIPs, DstPorts = [], IPProto = [], CapGrant = [] } of rules) {
    const sources = setOf(
      family,
      SrcIPs.flatMap((source) =>
        source.startsWith('cap:') ? nodesWith(source.slice('cap:'.length)) : [source],
      ),
    );
    if (sources.isEmpty) continue;
    const destinations = DstPorts.map(({ IP, Ports }) => ({
      addresses: setOf(family, [IP]),
      firstPort: Ports.First,
      lastPort: Ports.Last,
    })).filter(({ addresses }) => !addresses.isEmpty);
    const protocols = IPProto.length === 0 ? DEFAULT_PROTOCOLS : new Set(IPProto);
    if (destinations.length > 0) compiled.push({ protocols, sources, destinations });
    for (const { Dsts, CapMap } of CapGrant) {
      const to = setOf(family, Dsts);
      if (!to.isEmpty) grants.push({ sources, destinations: to, capMap: CapMap });
    }
  }
  return { rules: compiled, grants };
}

/** The addresses of a family that any of the texts means: `*`, addresses, prefixes, ranges. */
export function setOf(family: Family, texts: readonly string[]): AddressSet {
  return new AddressSet(
    family,
    texts.flatMap((text) => rangeOf(family, text) ?? []),
  );
}

function rangeOf(family: Family, text: string): AddressRange | undefined {
  if (text === '*') return rangeOfPrefix({ network: ZERO[family], bits: 0 });
  const dash = text.indexOf('-');
  if (dash === -1) {
    const prefix = parsePrefixOrAddress(text);
    return prefix.ok ? rangeOfPrefix(prefix.value) : undefined;
  }
  const [first, last] = [parseAddress(text.slice(0, dash)), parseAddress(text.slice(dash + 1))];
  if (!first.ok || !last.ok || first.value.family !== last.value.family) return undefined;
  return first.value.value <= last.value.value
    ? { first: first.value, last: last.value }
    : undefined;
}

function rangeOfPrefix(prefix: Prefix): AddressRange {
  return { first: prefix.network, last: lastAddress(prefix) };
}

const ZERO: Readonly<Record<Family, Address>> = {
  4: { family: 4, value: 0n },
  6: { family: 6, value: 0n },
};
