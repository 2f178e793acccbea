/**
 * The ranges and addresses that official clients treat specially. Tailnets should stay inside
 * {@link CGNAT} and {@link TAILNET_ULA}: clients assume so in DNS, in their host firewall and in PeerAPI.
 *
 * Source: docs/protocol/control.md §Addresses.
 */
import { type Address, parseAddress } from './address.ts';
import { knownPrefix, knownPrefixes, type Prefix, singlePrefix } from './prefix.ts';

/** Shared address space (RFC 6598), from which nodes get their IPv4 address. */
export const CGNAT: Prefix = knownPrefix('100.64.0.0/10');
/** The unique local range (RFC 4193) from which nodes get their IPv6 address. */
export const TAILNET_ULA: Prefix = knownPrefix('fd7a:115c:a1e0::/48');

/** Where ChromeOS puts its containers: clients let it through outside the tunnel, so no node may be there. */
export const CHROMEOS_RANGE: Prefix = knownPrefix('100.115.92.0/23');
/** Kept for services that a client offers to its own machine. */
export const SERVICE_RANGE: Prefix = knownPrefix('100.100.0.0/24');
/** IPv4 sites behind a subnet router, by site id (4via6). */
export const FOUR_VIA_SIX_RANGE: Prefix = knownPrefix('fd7a:115c:a1e0:b1a::/64');

/** Addresses of examples, which nobody has: RFC 5737, RFC 3849, RFC 9637. */
export const DOCUMENTATION: readonly Prefix[] = knownPrefixes(
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '2001:db8::/32',
  '3fff::/20',
);

/** Private networks: RFC 1918. */
export const PRIVATE_IPV4: readonly Prefix[] = knownPrefixes(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
);
/** Unique local addresses (RFC 4193), the tailnet's among them. */
export const UNIQUE_LOCAL: Prefix = knownPrefix('fc00::/7');
/** This machine: RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
export const LOOPBACK: readonly Prefix[] = knownPrefixes('127.0.0.0/8', '::1/128');
/** This link: RFC 3927, RFC 4291 §2.4. */
export const LINK_LOCAL: readonly Prefix[] = knownPrefixes('169.254.0.0/16', 'fe80::/10');

/** What an exit node announces, is approved for, and serves: both or none. */
export const EXIT_ROUTES: readonly Prefix[] = knownPrefixes('0.0.0.0/0', '::/0');

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

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}
