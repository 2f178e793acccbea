/**
 * The ranges and addresses that official clients treat specially. Tailnets should stay inside
 * {@link CGNAT} and {@link TAILNET_ULA}: clients assume so in DNS, in their host firewall and in PeerAPI.
 *
 * Source: docs/protocol/control.md §Addresses.
 */
import { type Address, parseAddress } from './address.ts';
import { parsePrefix, type Prefix, singlePrefix } from './prefix.ts';

/** Shared address space (RFC 6598), from which nodes get their IPv4 address. */
export const CGNAT: Prefix = prefix('100.64.0.0/10');
/** The unique local range (RFC 4193) from which nodes get their IPv6 address. */
export const TAILNET_ULA: Prefix = prefix('fd7a:115c:a1e0::/48');

/** Where ChromeOS puts its containers: clients let it through outside the tunnel, so no node may be there. */
export const CHROMEOS_RANGE: Prefix = prefix('100.115.92.0/23');
/** Kept for services that a client offers to its own machine. */
export const SERVICE_RANGE: Prefix = prefix('100.100.0.0/24');
/** IPv4 sites behind a subnet router, by site id (4via6). */
export const FOUR_VIA_SIX_RANGE: Prefix = prefix('fd7a:115c:a1e0:b1a::/64');

/** Addresses of examples, which nobody has: RFC 5737, RFC 3849, RFC 9637. */
export const DOCUMENTATION: readonly Prefix[] = [
  prefix('192.0.2.0/24'),
  prefix('198.51.100.0/24'),
  prefix('203.0.113.0/24'),
  prefix('2001:db8::/32'),
  prefix('3fff::/20'),
];

/** What an exit node announces, is approved for, and serves: both or none. */
export const EXIT_ROUTES: readonly Prefix[] = [prefix('0.0.0.0/0'), prefix('::/0')];

/** Whether a prefix is one of {@link EXIT_ROUTES}. */
export function isExitRoute({ bits }: Prefix): boolean {
  return bits === 0;
}

/** MagicDNS as a client offers it to its own machine. */
export const SERVICE_IPV4: Address = address('100.100.100.100');
/** MagicDNS over IPv6. */
export const SERVICE_IPV6: Address = address('fd7a:115c:a1e0::53');

/** What no node may be given, in order of address. */
export const RESERVED: readonly Prefix[] = [
  SERVICE_RANGE,
  singlePrefix(SERVICE_IPV4),
  CHROMEOS_RANGE,
  singlePrefix(SERVICE_IPV6),
  FOUR_VIA_SIX_RANGE,
];

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}
