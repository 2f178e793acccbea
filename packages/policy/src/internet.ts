/**
 * What `autogroup:internet` means: the addresses that an exit node forwards for others. Private,
 * link-local and tailnet ranges are not part of it.
 *
 * Source: RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.4, RFC 6598.
 */
import { ADDRESS_BITS } from '@malla/ip/address';
import { containsPrefix, knownPrefixes, overlaps, type Prefix } from '@malla/ip/prefix';
import { CGNAT, LINK_LOCAL, PRIVATE_IPV4 } from '@malla/ip/special';

/** Global unicast without the ranges below, as the fewest prefixes, in order. */
export const INTERNET: readonly Prefix[] = knownPrefixes('0.0.0.0/0', '2000::/3').flatMap((whole) =>
  without(whole, [...PRIVATE_IPV4, CGNAT, ...LINK_LOCAL]),
);

/** Whether any address of a prefix is reached through an exit node. */
export function overlapsInternet(wanted: Prefix): boolean {
  return INTERNET.some((part) => overlaps(part, wanted));
}

/** What is left of a prefix when some are taken out, by halving. */
export function without(whole: Prefix, taken: readonly Prefix[]): readonly Prefix[] {
  const hit = taken.filter((each) => overlaps(each, whole));
  if (hit.length === 0) return [whole];
  if (hit.some((each) => containsPrefix(each, whole))) return [];
  const { family, value } = whole.network;
  const bits = whole.bits + 1;
  const upper = value + (1n << BigInt(ADDRESS_BITS[family] - bits));
  return [value, upper].flatMap((start) =>
    without({ network: { family, value: start }, bits }, hit),
  );
}
