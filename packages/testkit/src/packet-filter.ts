/**
 * What an official client lets through, by the network maps of both ends: the sender has the address
 * in a peer's AllowedIPs, the longest prefix wins; the receiver knows the sender by an address of its
 * own, and a rule of its packet filter admits the flow.
 *
 * Source: docs/protocol/control.md §Packet filters. Observed: clients 1.80 and 1.102: a rule without
 * IPProto admits TCP, UDP and ICMP; a ping is admitted by any rule whose addresses match, whatever its
 * ports.
 */
import assert from 'node:assert/strict';
import { type Address, compareAddresses, formatAddress, parseAddress } from '@malla/ip/address';
import { contains, parsePrefixOrAddress, type Prefix } from '@malla/ip/prefix';
import { allowedIpsOf } from '@malla/control-client/netmap';
import type { ClientNetmap } from './client-netmap.ts';

export type Protocol = 'tcp' | 'udp' | 'icmp';

const NUMBERS: Readonly<Record<Protocol, readonly number[]>> = {
  tcp: [6],
  udp: [17],
  icmp: [1, 58],
};
const DEFAULT_PROTOCOLS: readonly number[] = [6, 17, 1, 58];

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
  const source = addressOf(flow.from);
  const target = addressOf(flow.to);
  if (!isPeerAddress(at, source)) return false;
  for (const rules of Object.values(at.packetFilters)) {
    for (const rule of rules) {
      const protocols = rule.IPProto ?? DEFAULT_PROTOCOLS;
      // Pings are looked at by address alone.
      if (flow.protocol !== 'icmp' && !NUMBERS[flow.protocol].some((n) => protocols.includes(n))) {
        continue;
      }
      if (!rule.SrcIPs.some((text) => covers(text, source))) continue;
      for (const { IP, Ports } of rule.DstPorts ?? []) {
        const inPorts = flow.port >= Ports.First && flow.port <= Ports.Last;
        if (covers(IP, target) && (flow.protocol === 'icmp' || inPorts)) return true;
      }
    }
  }
  return false;
}

/** The capabilities that a client's filter grants to a peer's address at its own address, as it answers `whois`. */
export function capabilitiesOf(
  at: ClientNetmap,
  from: string,
): Readonly<Record<string, readonly unknown[]>> {
  const source = addressOf(from);
  const own = ownAddresses(at);
  const out: Record<string, unknown[]> = {};
  for (const rules of Object.values(at.packetFilters)) {
    for (const rule of rules) {
      if (!rule.SrcIPs.some((text) => covers(text, source))) continue;
      for (const { Dsts, CapMap } of rule.CapGrant ?? []) {
        const concerned = Dsts.map(prefixOf).some((prefix) =>
          own.some((address) => contains(prefix, address)),
        );
        if (!concerned) continue;
        for (const [name, values] of Object.entries(CapMap))
          (out[name] ??= []).push(...(values ?? []));
      }
    }
  }
  return out;
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
  const found = ownAddresses(netmap).find((address) => address.family === family);
  assert.ok(found !== undefined, `the client has no IPv${family} address`);
  return formatAddress(found);
}

/** `*`, an address, a prefix, or a range `a-b`. */
function covers(text: string, address: Address): boolean {
  if (text === '*') return true;
  const [first = '', last] = text.split('-');
  if (last === undefined) return contains(prefixOf(text), address);
  const [low, high] = [addressOf(first), addressOf(last)];
  return (
    low.family === address.family &&
    compareAddresses(low, address) <= 0 &&
    compareAddresses(address, high) <= 0
  );
}

function isPeerAddress(at: ClientNetmap, address: Address): boolean {
  return [...at.peers.values()].some((peer) =>
    allowedIpsOf(peer).some((text) => contains(prefixOf(text), address)),
  );
}

function ownAddresses({ self }: ClientNetmap): Address[] {
  assert.ok(self !== undefined, 'the client has no map yet');
  return self.Addresses.map((text) => addressOf(text.split('/', 1)[0] ?? ''));
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
