/**
 * The packet filter of a node: what it lets in for itself and for what is behind it. It knows nobody by
 * name: that a sender has the address that it sends from is what the tunnel has seen to, and who may use
 * the PeerAPI is that one's business.
 *
 * Source: docs/protocol/control.md §Packet filters. Observed: clients 1.80 to 1.102: of TCP only what
 * begins a connection is looked at; a ping is let in by any rule whose addresses fit, whatever its ports.
 */
import { type Address, addressBytes, type Family } from '@malla/ip/address';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { AddressSet } from './address-set.ts';
import {
  type CompiledRule,
  type CompiledRules,
  compileRules,
  type NodesWith,
  setOf,
} from './compile.ts';
import { Flows } from './flows.ts';
import { isIcmp, isIcmpAnswer, type Packet, Protocol, TcpFlag } from './packet.ts';

export interface FilterOptions {
  readonly rules: readonly FilterRule[];
  /** Prefixes that are the node's own, or behind it. */
  readonly local: readonly string[];
  /** Lets nothing in that it did not ask for. */
  readonly shieldsUp?: boolean;
  readonly nodesWith?: NodesWith;
  /**
   * What peers may send from that tailnet lock has not signed, and who may therefore only speak to the
   * PeerAPI. A filter that would let any of it in lets nobody in: it does not know that.
   */
  readonly unsigned?: readonly string[];
}

/**
 * `accept`, or why not: the destination is nobody here, or one that nothing is routed to, or no rule lets
 * it in.
 */
export type Verdict = 'accept' | 'not-local' | 'not-routable' | 'no-rule';

/** What a filter says of packets of one family. */
interface FamilyFilter extends CompiledRules {
  readonly local: AddressSet;
}

export class PacketFilter {
  /** Whether its rules let in what {@link FilterOptions.unsigned} says, so that they count for nothing. */
  readonly isDiscarded: boolean;
  readonly #families: Readonly<Record<Family, FamilyFilter>>;
  /** Outlive the filter: {@link next} hands them on. */
  readonly #flows: Flows;
  readonly #shieldsUp: boolean;

  constructor(options: FilterOptions, flows: Flows = new Flows()) {
    const { rules, local, shieldsUp = false, nodesWith = () => [], unsigned = [] } = options;
    const of = (family: Family): FamilyFilter => ({
      ...compileRules(rules, family, nodesWith),
      local: setOf(family, local),
    });
    this.#families = { 4: of(4), 6: of(6) };
    this.isDiscarded = ([4, 6] as const).some((family) => {
      const senders = setOf(family, unsigned);
      return this.#families[family].rules.some(({ sources }) => sources.overlaps(senders));
    });
    this.#flows = flows;
    this.#shieldsUp = shieldsUp;
  }

  /** A filter by other rules that knows the flows of this one. */
  next(options: FilterOptions): PacketFilter {
    return new PacketFilter(options, this.#flows);
  }

  /** A packet goes out. */
  outbound(packet: Packet): void {
    if (hasFlows(packet)) this.#flows.note(packet);
  }

  /** Whether a packet that comes in is let in. */
  inbound(packet: Packet): Verdict {
    const { bytes, destinationAt, protocol } = packet;
    if (isUnroutable(packet)) return 'not-routable';
    const { local, rules } = this.#families[packet.family];
    if (!local.holds(bytes, destinationAt)) return 'not-local';
    if (packet.isLaterFragment || protocol === Protocol.tsmp) return 'accept';
    if (protocol === Protocol.tcp) {
      const begins = (packet.tcpFlags & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn;
      if (!begins) return 'accept';
    } else if (isIcmp(packet)) {
      if (isIcmpAnswer(packet)) return 'accept';
    } else if (hasFlows(packet) && this.#flows.isAnswer(packet)) return 'accept';
    if (this.#shieldsUp || this.isDiscarded) return 'no-rule';
    const isPing = isIcmp(packet);
    for (const rule of rules) {
      if (!isPing && !rule.protocols.has(protocol)) continue;
      // What costs least to look at comes first: sources may be thousands.
      if (meansDestination(rule, packet) && rule.sources.holds(bytes, packet.sourceAt)) {
        return 'accept';
      }
    }
    return 'no-rule';
  }

  /** What a sender is granted at an address of this node. Values of several grants come together. */
  capabilities(source: Address, destination: Address): CapMap {
    if (source.family !== destination.family || this.isDiscarded) return {};
    const out = new Map<string, readonly unknown[] | null>();
    const [from, to] = [addressBytes(source), addressBytes(destination)];
    for (const { sources, destinations, capMap } of this.#families[source.family].grants) {
      if (!sources.holds(from, 0) || !destinations.holds(to, 0)) continue;
      for (const [name, values] of Object.entries(capMap)) {
        const before = out.get(name) ?? null;
        out.set(name, values === null ? before : [...(before ?? []), ...values]);
      }
    }
    return Object.fromEntries(out);
  }
}

function meansDestination({ destinations }: CompiledRule, packet: Packet): boolean {
  for (const { addresses, firstPort, lastPort } of destinations) {
    if (!fitsPorts(packet, firstPort, lastPort)) continue;
    if (addresses.holds(packet.bytes, packet.destinationAt)) return true;
  }
  return false;
}

function fitsPorts(packet: Packet, first: number, last: number): boolean {
  if (isIcmp(packet)) return true;
  const { protocol, destinationPort } = packet;
  if (protocol === Protocol.tcp || hasFlows(packet)) {
    return destinationPort >= first && destinationPort <= last;
  }
  // What has no ports is meant by all of them.
  return first === 0 && last === 65_535;
}

/** Whether answers are known by what was sent before. */
function hasFlows({ protocol }: Packet): boolean {
  return protocol === Protocol.udp || protocol === Protocol.sctp;
}

/** Multicast and link-local destinations are for a network that this is not, but for the clouds' metadata. */
function isUnroutable({ family, bytes, destinationAt: at }: Packet): boolean {
  const [a = 0, b = 0] = [bytes[at], bytes[at + 1]];
  if (family === 6) return a === 0xff || (a === 0xfe && (b & 0xc0) === 0x80);
  if (a >= 224 && a <= 239) return true;
  return a === 169 && b === 254 && !(bytes[at + 2] === 169 && bytes[at + 3] === 254);
}
