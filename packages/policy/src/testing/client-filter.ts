/**
 * What a client lets in by the packet filter that it was sent, written down as plainly as can be. For
 * tests, to compare with what the rules say.
 *
 * Source: docs/protocol/control.md §Packet filters. Observed: client 1.80 to 1.102.
 */
import { type Address, compareAddresses, parseAddress } from '@malla/ip/address';
import { contains, parsePrefixOrAddress } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';

/** The first packet of a flow. */
export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
}

const DEFAULT_PROTOCOLS = [6, 17, 1, 58];

/** Whether a filter admits a packet whose destination is the client's own or behind it. */
export function clientAdmits(filter: readonly FilterRule[], packet: Packet): boolean {
  return filter.some(({ SrcIPs, DstPorts, IPProto }) => {
    if (!SrcIPs.some((range) => holds(range, packet.source))) return false;
    // If any port is open to an address, clients let pings through.
    const ping = packet.protocol === 1 || packet.protocol === 58;
    if (!ping && !(IPProto ?? DEFAULT_PROTOCOLS).includes(packet.protocol)) return false;
    const ported = [6, 17, 132].includes(packet.protocol);
    return (DstPorts ?? []).some(({ IP, Ports: { First, Last } }) => {
      if (!holds(IP, packet.destination)) return false;
      if (ping) return true;
      return ported ? First <= packet.port && packet.port <= Last : First === 0 && Last === 65_535;
    });
  });
}

function holds(range: string, address: Address): boolean {
  if (range === '*') return true;
  const [first = '', last] = range.split('-').map(parseAddress);
  if (last !== undefined) {
    if (first === '' || !first.ok || !last.ok) throw new Error(`not a range: ${range}`);
    if (first.value.family !== address.family) return false;
    return (
      compareAddresses(first.value, address) <= 0 && compareAddresses(address, last.value) <= 0
    );
  }
  const prefix = parsePrefixOrAddress(range);
  if (!prefix.ok) throw new Error(`not a range: ${range}`);
  return contains(prefix.value, address);
}
