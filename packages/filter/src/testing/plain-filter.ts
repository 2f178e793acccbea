/**
 * What a client lets in by the packet filter that it was sent, written down as plainly as can be. For
 * tests, to compare with what looks it up.
 *
 * Source: docs/protocol/control.md §Packet filters. Observed: client 1.80 to 1.102.
 */
import { type Address, compareAddresses, parseAddress } from '@malla/ip/address';
import { contains, parsePrefixOrAddress } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { FlowStart } from '../packet.ts';

const DEFAULT_PROTOCOLS = [6, 17, 1, 58];

/** Whether a filter admits the first packet of a flow whose destination is the client's own or behind it. */
export function plainlyAdmits(filter: readonly FilterRule[], flow: FlowStart): boolean {
  const { protocol, port = 0 } = flow;
  return filter.some(({ SrcIPs, DstPorts = [], IPProto = [] }) => {
    if (!SrcIPs.some((range) => holds(range, flow.source))) return false;
    // If any port is open to an address, clients let pings through.
    const isPing = protocol === 1 || protocol === 58;
    const protocols = IPProto.length === 0 ? DEFAULT_PROTOCOLS : IPProto;
    if (!isPing && !protocols.includes(protocol)) return false;
    const isPorted = [6, 17, 132].includes(protocol);
    return DstPorts.some(({ IP, Ports: { First, Last } }) => {
      if (!holds(IP, flow.destination)) return false;
      if (isPing) return true;
      return isPorted ? First <= port && port <= Last : First === 0 && Last === 65_535;
    });
  });
}

/** Which values of a capability a filter grants, in its order. */
export function plainlyGranted(
  filter: readonly FilterRule[],
  source: Address,
  destination: Address,
  capability: string,
): readonly unknown[] {
  return filter.flatMap(({ SrcIPs, CapGrant = [] }) =>
    SrcIPs.some((range) => holds(range, source))
      ? CapGrant.flatMap(({ Dsts, CapMap }) =>
          Dsts.some((range) => holds(range, destination)) && Object.hasOwn(CapMap, capability)
            ? (CapMap[capability] ?? [])
            : [],
        )
      : [],
  );
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
