/**
 * 4via6: an IPv6 prefix that stands for an IPv4 prefix at one of many sites, so that sites may use the
 * same IPv4 addresses. A subnet router announces the IPv6 prefix and reaches the IPv4 one itself.
 *
 * Layout: `fd7a:115c:a1e0:b1a` (64 bits), site id (32 bits), IPv4 address (32 bits).
 *
 * Source: Tailscale's documentation of 4via6 subnet routers; `tailscale debug via`, client 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { containsPrefix, type Prefix, prefixOf } from './prefix.ts';
import { FOUR_VIA_SIX_RANGE } from './special.ts';

/** Larger site ids are kept for later by the official client. */
export const MAX_SITE = 0xffff;

const SITE_SHIFT = 32n;
/** Bits before the IPv4 address. */
const HEAD_BITS = 96;

/** What an IPv6 prefix of 4via6 stands for. */
export interface Via {
  readonly site: number;
  /** IPv4. */
  readonly prefix: Prefix;
}

/** The IPv6 prefix for an IPv4 prefix at a site. */
export function viaPrefix({ site, prefix }: Via): Result<Prefix, 'site' | 'not-ipv4'> {
  if (!Number.isInteger(site) || site < 0 || site > MAX_SITE) return fail('site');
  if (prefix.network.family !== 4) return fail('not-ipv4');
  const value =
    FOUR_VIA_SIX_RANGE.network.value | (BigInt(site) << SITE_SHIFT) | prefix.network.value;
  return ok(prefixOf({ family: 6, value }, HEAD_BITS + prefix.bits));
}

/** What an IPv6 prefix stands for; undefined when it is none of 4via6, or of several sites. */
export function viaOf(prefix: Prefix): Via | undefined {
  if (prefix.bits < HEAD_BITS || !containsPrefix(FOUR_VIA_SIX_RANGE, prefix)) return undefined;
  const { value } = prefix.network;
  const address = { family: 4, value: value & 0xffffffffn } as const;
  return {
    site: Number((value >> SITE_SHIFT) & 0xffffffffn),
    prefix: prefixOf(address, prefix.bits - HEAD_BITS),
  };
}
