/**
 * What of a packet a filter looks at. Addresses stay where they are in the packet's bytes, so that one
 * object, filled in again for each packet, serves for all of them.
 */
import { type Address, addressBytes, type Family } from '@malla/ip/address';

/** IANA numbers that a filter treats in their own way. */
export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, tsmp: 99, sctp: 132 } as const;

/** RFC 9293 §3.1. */
export const TcpFlag = { syn: 0x02, ack: 0x10 } as const;

export interface Packet {
  readonly family: Family;
  readonly bytes: Uint8Array;
  /** Where in `bytes` the source and the destination begin, in network order. */
  readonly sourceAt: number;
  readonly destinationAt: number;
  /** IANA number of what the packet carries. */
  readonly protocol: number;
  /** 0 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of TCP. */
  readonly tcpFlags: number;
  /** Of ICMP and ICMPv6. */
  readonly icmpType: number;
  /** Not the first of a packet in fragments, so that it has no ports. */
  readonly isLaterFragment: boolean;
}

/** The first packet of a flow, by its five values. */
export interface FlowStart {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: number;
  readonly sourcePort?: number;
  /** Of the destination. */
  readonly port?: number;
}

/** The packet that begins a flow: of TCP a SYN, of ICMP a ping. Throws where the families differ: our own bug. */
export function packetOf(flow: FlowStart): Packet {
  const { source, destination, protocol } = flow;
  if (source.family !== destination.family) throw new RangeError('addresses of two families');
  const [from, to] = [addressBytes(source), addressBytes(destination)];
  const bytes = new Uint8Array(from.length + to.length);
  bytes.set(from);
  bytes.set(to, from.length);
  return {
    family: source.family,
    bytes,
    sourceAt: 0,
    destinationAt: from.length,
    protocol,
    sourcePort: flow.sourcePort ?? 0,
    destinationPort: flow.port ?? 0,
    tcpFlags: protocol === Protocol.tcp ? TcpFlag.syn : 0,
    icmpType: protocol === Protocol.icmp ? ECHO_REQUEST : protocol === Protocol.icmp6 ? 128 : 0,
    isLaterFragment: false,
  };
}

/** RFC 792. */
const ECHO_REQUEST = 8;
/** Echo reply; unreachable, time exceeded, parameter problem. */
const ICMP_ANSWERS: readonly number[] = [0, 3, 11, 12];
/** RFC 4443 §3 and §4.2: errors, echo reply. */
const ICMP6_ANSWERS: readonly number[] = [1, 2, 3, 4, 129];

/** Whether the packet answers something that was sent before. */
export function isIcmpAnswer({ protocol, icmpType }: Packet): boolean {
  return (protocol === Protocol.icmp ? ICMP_ANSWERS : ICMP6_ANSWERS).includes(icmpType);
}

/** Whether it carries ICMP of either kind. */
export function isIcmp({ protocol }: Packet): boolean {
  return protocol === Protocol.icmp || protocol === Protocol.icmp6;
}
