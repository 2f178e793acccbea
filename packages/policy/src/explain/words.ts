/**
 * How an explanation spells what a policy names.
 */
import { formatAddress } from '@malla/ip/address';
import { ADDRESS_BITS } from '@malla/ip/address';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import type { Admission, Alias, Destination, Place } from '../policy.ts';
import type { RuleReference } from './explanation.ts';

export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, tsmp: 99, sctp: 132 } as const;

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [Protocol.icmp, 'ICMP'],
  [Protocol.tcp, 'TCP'],
  [Protocol.udp, 'UDP'],
  [Protocol.icmp6, 'ICMPv6'],
  [Protocol.sctp, 'SCTP'],
]);

/** What was found, a line each; `unexamined` pairs were not looked at. */
export function linesOf(
  findings: readonly { readonly text: string; readonly flows: number }[],
  unexamined: number,
): string {
  const lines = findings.map(({ text, flows }) =>
    flows > 1 ? `${text} (and ${flows - 1} more alike)` : text,
  );
  if (unexamined > 0) lines.push(`${unexamined} more pairs were not looked at`);
  return lines.join('\n');
}

/** An alias as one writes it in a policy. */
export function formatAlias(alias: Alias): string {
  switch (alias.kind) {
    case 'any':
      return '*';
    case 'domain':
      return `user:*@${alias.domain}`;
    case 'autogroup':
      return `autogroup:${alias.name}`;
    case 'prefix':
      return formatRange(alias.prefix);
    case 'user':
    case 'group':
    case 'tag':
    case 'host':
    case 'ipset':
      return alias.name;
  }
}

/** A prefix, or the address that it holds alone. */
export function formatRange(prefix: Prefix): string {
  const alone = prefix.bits === ADDRESS_BITS[prefix.network.family];
  return alone ? formatAddress(prefix.network) : formatPrefix(prefix);
}

/** What a rule admits at a destination: `tag:web (TCP 80, 443; UDP 53)`. */
export function formatDestination(destination: Destination): string {
  const admitted = destination.admissions.map(formatAdmission).join('; ');
  return `${formatAlias(destination.alias)} (${admitted === '' ? 'capabilities only' : admitted})`;
}

/** `TCP 443`, `TCP, any port`, `ICMP`. */
export function formatService(protocol: number, port: number | undefined): string {
  const name = PROTOCOL_NAMES.get(protocol) ?? `IP protocol ${protocol}`;
  return port === undefined ? name : `${name} ${port}`;
}

/** A place for a program, and for a person as `acls[3] (line 12)`. */
export function refer(place: Place): RuleReference {
  return { path: place.path, line: place.line, column: place.column };
}

/** `acls[3] (line 12)`. */
export function formatPlace(place: Place): string {
  return `${place.path} (line ${place.line})`;
}

function formatAdmission({ protocols, ports }: Admission): string {
  const names = protocols.map((protocol) => formatService(protocol, undefined)).join('/');
  const ranges = ports.map(({ first, last }) => {
    if (first === 0 && last === 65_535) return 'any port';
    return first === last ? `${first}` : `${first}-${last}`;
  });
  return [names === '' ? 'ports' : names, ranges.join(', ')]
    .join(' ')
    .replace('ports any port', 'any port');
}
