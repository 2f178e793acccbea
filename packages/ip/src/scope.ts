/**
 * How far an address reaches: whether it means anything on another machine, in another network, or
 * everywhere. An IPv4-mapped address has the scope of the IPv4 address.
 *
 * Source: RFC 6890, RFC 4291 §2.5 and §2.7, RFC 4193, RFC 6598.
 */
import { type Address, unmap } from './address.ts';
import { contains, knownPrefixes, type Prefix } from './prefix.ts';
import { CGNAT, LINK_LOCAL, LOOPBACK, PRIVATE_IPV4, UNIQUE_LOCAL } from './special.ts';

/**
 * `shared` is the space between a provider's NAT and its customers, from which tailnets have their
 * addresses too; `none` is what no packet is sent to: unspecified, broadcast, reserved.
 */
export type Scope =
  | 'loopback'
  | 'link-local'
  | 'private'
  | 'shared'
  | 'global'
  | 'multicast'
  | 'none';

const RANGES: readonly (readonly [Scope, readonly Prefix[]])[] = [
  ['loopback', LOOPBACK],
  ['link-local', LINK_LOCAL],
  ['private', [...PRIVATE_IPV4, UNIQUE_LOCAL]],
  ['shared', [CGNAT]],
  ['multicast', knownPrefixes('224.0.0.0/4', 'ff00::/8')],
  ['none', knownPrefixes('0.0.0.0/8', '240.0.0.0/4', '::/128')],
];

/** The scope of an address. */
export function scopeOf(address: Address): Scope {
  const plain = unmap(address);
  const found = RANGES.find(([, ranges]) => ranges.some((range) => contains(range, plain)));
  return found?.[0] ?? 'global';
}
