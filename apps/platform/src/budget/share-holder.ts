/**
 * Whose share an address counts to. Whoever has one IPv6 address has its whole /64 at least, so that is
 * one holder; an IPv4 address is one by itself, though a whole office may be behind it.
 */
import { formatAddress, parseAddress, unmap } from '@malla/ip/address';
import { formatPrefix, prefixOf } from '@malla/ip/prefix';

const IPV6_SHARE_BITS = 64;

/** The holder of an address's share. What is no address (a unix socket has none) is one holder too. */
export function shareHolder(address: string): string {
  const parsed = parseAddress(address.replace(/%.*$/, ''));
  if (!parsed.ok) return '';
  const plain = unmap(parsed.value);
  return plain.family === 4 ? formatAddress(plain) : formatPrefix(prefixOf(plain, IPV6_SHARE_BITS));
}
