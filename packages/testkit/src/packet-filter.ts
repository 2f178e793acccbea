/**
 * What gets from one client to another, by the network maps of both ends and the filter that the node
 * runs (`@malla/filter`): the sender has the address in a peer's AllowedIPs, the longest prefix wins; the
 * receiver knows the sender by an address of its own, and its filter admits the flow.
 *
 * Source: docs/protocol/control.md §Packet filters. Observed: clients 1.80 and 1.102.
 */
import assert from 'node:assert/strict';
import { allowedIpsOf } from '@malla/control-client/netmap';
import { type FilterOptions, PacketFilter } from '@malla/filter/filter';
import { type FlowStart, packetOf } from '@malla/filter/packet';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { contains, parsePrefixOrAddress, type Prefix } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { CapMap, MapNode } from '@malla/wire/tailcfg/node';
import type { ClientNetmap } from './client-netmap.ts';

export type { FlowStart } from '@malla/filter/packet';
export type Protocol = 'tcp' | 'udp' | 'icmp';

/** IANA numbers, of ICMP by family. */
const NUMBERS: Readonly<Record<Protocol, { readonly 4: number; readonly 6: number }>> = {
  tcp: { 4: 6, 6: 6 },
  udp: { 4: 17, 6: 17 },
  icmp: { 4: 1, 6: 58 },
};

/** Whether a packet from one client's own address to `to` leaves it, and to which peer (by id). */
export function nextHop(from: ClientNetmap, to: string): number | undefined {
  const address = addressOf(to);
  let best: { readonly id: number; readonly bits: number } | undefined;
  for (const [id, peer] of from.peers) {
    for (const text of allowedIpsOf(peer)) {
      const prefix = prefixOf(text);
      if (contains(prefix, address) && prefix.bits > (best?.bits ?? -1)) {
        best = { id, bits: prefix.bits };
      }
    }
  }
  return best?.id;
}

/** Whether rules admit the beginning of a flow, at a node that its destination belongs to. */
export function rulesAdmit(rules: readonly FilterRule[], flow: FlowStart): boolean {
  return filterOf(rules, { rules, local: ['*'] }).inbound(packetOf(flow)) === 'accept';
}

/** Whether a client's packet filter admits a flow that a peer begins. */
export function admits(
  at: ClientNetmap,
  flow: {
    readonly from: string;
    readonly to: string;
    readonly protocol: Protocol;
    readonly port: number;
  },
): boolean {
  const { port } = flow;
  const source = addressOf(flow.from);
  const destination = addressOf(flow.to);
  if (source.family !== destination.family || !isPeerAddress(at, source)) return false;
  const protocol = NUMBERS[flow.protocol][source.family];
  const packet = packetOf({ source, destination, protocol, port });
  return filterAt(at).inbound(packet) === 'accept';
}

/** The capabilities that a client's filter grants to a peer's address at its own address, as it answers `whois`. */
export function capabilitiesOf(at: ClientNetmap, from: string): CapMap {
  const source = addressOf(from);
  return filterAt(at).capabilities(source, ownAddress(at, source.family));
}

/** Whether a flow gets from one client to the other (or through it): both maps must say so. */
export function reaches(
  from: ClientNetmap,
  at: ClientNetmap,
  to: string,
  protocol: Protocol,
  port = 0,
): boolean {
  if (nextHop(from, to) !== at.self?.ID) return false;
  const source = addressIn(from, addressOf(to).family);
  return admits(at, { from: source, to, protocol, port });
}

/** A client's own address of a family, as text. */
export function addressIn(netmap: ClientNetmap, family: 4 | 6 = 4): string {
  return formatAddress(ownAddress(netmap, family));
}

/** Filters that were made already, by the value that they were made of: no such value changes. */
const filters = new WeakMap<object, PacketFilter>();

function filterOf(made: object, options: FilterOptions): PacketFilter {
  let filter = filters.get(made);
  if (filter === undefined) filters.set(made, (filter = new PacketFilter(options)));
  return filter;
}

/**
 * As the node makes it: for its own addresses and for what it announces. Of that AllowedIPs has only what it is
 * primary for; what others are steered to it for (`via`) is what its rules name.
 */
function filterAt(at: ClientNetmap): PacketFilter {
  const named = at.filter.flatMap(({ DstPorts = [] }) => DstPorts.map(({ IP }) => IP));
  return new PacketFilter({
    rules: at.filter,
    local: [...allowedIpsOf(selfOf(at)), ...named.filter((text) => text !== '*')],
    nodesWith: (capability) => at.nodesWith(capability),
  });
}

function isPeerAddress(at: ClientNetmap, address: Address): boolean {
  return [...at.peers.values()].some((peer) =>
    allowedIpsOf(peer).some((text) => contains(prefixOf(text), address)),
  );
}

function ownAddress(netmap: ClientNetmap, family: 4 | 6): Address {
  const own = selfOf(netmap).Addresses.map((text) => addressOf(text.split('/', 1)[0] ?? ''));
  const found = own.find((address) => address.family === family);
  return found ?? assert.fail(`the client has no IPv${family} address`);
}

function selfOf({ self }: ClientNetmap): MapNode {
  return self ?? assert.fail('the client has no map yet');
}

function addressOf(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed.ok, `${text} is no address`);
  return parsed.value;
}

function prefixOf(text: string): Prefix {
  const parsed = parsePrefixOrAddress(text);
  assert.ok(parsed.ok, `${text} is no prefix`);
  return parsed.value;
}
