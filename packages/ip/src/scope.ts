/**
 * How far an address reaches: whether it means anything on another machine, in another network, or
 * everywhere. An IPv4-mapped address has the scope of the IPv4 address.
 *
 * Source: RFC 6890, RFC 4291 §2.5 and §2.7, RFC 4193, RFC 6598.
 */
import { type Address, unmap } from './address.ts';
import { contains, parsePrefix, type Prefix } from './prefix.ts';
import { CGNAT } from './special.ts';

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

const SCOPES: readonly (readonly [Prefix, Scope])[] = [
  [prefix('127.0.0.0/8'), 'loopback'],
  [prefix('::1/128'), 'loopback'],
  [prefix('169.254.0.0/16'), 'link-local'],
  [prefix('fe80::/10'), 'link-local'],
  [prefix('10.0.0.0/8'), 'private'],
  [prefix('172.16.0.0/12'), 'private'],
  [prefix('192.168.0.0/16'), 'private'],
  [prefix('fc00::/7'), 'private'],
  [CGNAT, 'shared'],
  [prefix('224.0.0.0/4'), 'multicast'],
  [prefix('ff00::/8'), 'multicast'],
  [prefix('0.0.0.0/8'), 'none'],
  [prefix('240.0.0.0/4'), 'none'],
  [prefix('::/128'), 'none'],
];

/** The scope of an address. */
export function scopeOf(address: Address): Scope {
  const plain = unmap(address);
  return SCOPES.find(([within]) => contains(within, plain))?.[1] ?? 'global';
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}
