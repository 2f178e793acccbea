/**
 * IP protocols by name or number, and what they admit with ports: `proto` of an access rule, `ip` of a
 * grant.
 *
 * Source: Tailscale's policy file syntax §proto, §Grants; IANA's assigned Internet protocol numbers.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type Admission, ALL_PORTS, type PortRange } from '../../policy.ts';
import type { Fault } from './alias.ts';
import { didYouMean } from '../reading/nearest.ts';
import { isAllPorts, parsePorts } from './ports.ts';
import { quote } from '../reading/problem.ts';

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['ipv4', 4],
  ['ip-in-ip', 4],
  ['tcp', 6],
  ['egp', 8],
  ['igp', 9],
  ['udp', 17],
  ['dccp', 33],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['sctp', 132],
  ['fc', 133],
]);

/** The protocols whose ports a packet filter can tell apart. */
export const PROTOCOLS_WITH_PORTS: readonly number[] = [6, 17, 132];

/** Reads a protocol's name or its number, 1 to 255. Never throws. */
export function parseProtocol(source: string): Result<number, Fault> {
  const text = source.trim().toLowerCase();
  const named = PROTOCOLS.get(text);
  if (named !== undefined) return ok(named);
  if (/^\d{1,3}$/.test(text)) {
    const leadingZero = `leading 0 not permitted in protocol number: ${quote(text)}`;
    if (text.startsWith('0')) return fail({ message: leadingZero });
    if (Number(text) <= 255) return ok(Number(text));
  }
  return fail({
    message: `proto name ${quote(source.trim())} not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`,
    hint: () =>
      text === '*' ? 'leave it out for all protocols' : didYouMean(text, PROTOCOLS.keys()),
  });
}

/** What a protocol admits at these ports; without a protocol the client's default set. */
export function admit(
  protocol: number | undefined,
  ports: readonly PortRange[],
): Result<Admission, Fault> {
  if (protocol === undefined) return ok({ protocols: [], ports });
  if (!PROTOCOLS_WITH_PORTS.includes(protocol) && !isAllPorts(ports)) {
    return fail({
      message: `protocol does not support specific ports: "${nameOf(protocol)}", only "*" is allowed`,
    });
  }
  return ok({ protocols: [protocol], ports });
}

/** Reads an item of a grant's `ip`: `*`, `22`, `80-443`, `tcp:443`, `icmp:*`, and as headscale takes it `tcp:80,443`. Never throws. */
export function parseIpCapability(source: string): Result<Admission, Fault> {
  const text = source.trim();
  if (text === '') return fail({ message: 'an item of ip cannot be empty' });
  if (text === '*') return ok({ protocols: [], ports: [ALL_PORTS] });
  const colon = text.lastIndexOf(':');
  const ports = parsePorts(text.slice(colon + 1));
  if (!ports.ok) {
    const meantProtocol = colon === -1 && PROTOCOLS.has(text.toLowerCase());
    return meantProtocol ? fail({ ...ports.error, hint: `write "${text}:*"` }) : ports;
  }
  const name = text.slice(0, colon);
  if (colon === -1 || name === '*') return admit(undefined, ports.value);
  if (name === '') return fail({ message: 'empty protocol' });
  const protocol = parseProtocol(name);
  return protocol.ok ? admit(protocol.value, ports.value) : protocol;
}

function nameOf(protocol: number): string {
  for (const [name, number] of PROTOCOLS) if (number === protocol) return name;
  return String(protocol);
}
