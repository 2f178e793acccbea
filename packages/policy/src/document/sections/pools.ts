/**
 * Pools: the prefixes of `ipPool`, from which the nodes that an entry of `nodeAttrs` means get their IPv4
 * address when they join. A node that joins has no address yet, so whom a pool is for cannot be said by one.
 *
 * Source: Tailscale's documentation of IP pools and of reserved IP addresses. Observed: the hosted
 * service, May 2026.
 */
import { containsPrefix, formatPrefix, overlaps, type Prefix, prefixOf } from '@malla/ip/prefix';
import { CGNAT, CHROMEOS_RANGE, SERVICE_IPV4, SERVICE_RANGE } from '@malla/ip/special';
import type { Alias, Placed } from '../../policy.ts';
import { parseAliasPrefix } from '../words/alias.ts';
import { type ProblemList, quote } from '../reading/problem.ts';
import { placeOf, readTexts, type Value } from '../reading/read.ts';

/** What no pool may touch. */
const RESERVED: readonly Prefix[] = [SERVICE_RANGE, prefixOf(SERVICE_IPV4, 24), CHROMEOS_RANGE];

/** Reads `ipPool` of an entry with these targets. */
export function readPool(
  problems: ProblemList,
  at: Value | undefined,
  targets: readonly Placed<Alias>[],
): readonly Placed<Prefix>[] {
  const texts = readTexts(problems, at);
  if (texts.length > 0) checkTargets(problems, targets);
  return texts.flatMap(({ text, value }) => {
    const place = placeOf(value);
    const prefix = parseAliasPrefix(text);
    if (prefix === undefined) {
      problems.add(place, `IPPool(${quote(text)}): not a prefix`, 'write one like 100.81.0.0/16');
      return [];
    }
    if (!containsPrefix(CGNAT, prefix)) {
      const range = formatPrefix(CGNAT);
      problems.add(place, `IPPool(${text}): not within ${range}`, 'clients take no other address');
      return [];
    }
    const reserved = RESERVED.find((range) => overlaps(range, prefix));
    if (reserved !== undefined) {
      const hint = `${formatPrefix(reserved)} is reserved for the clients themselves`;
      problems.add(place, `IPPool(${text}): network within reserved range`, hint);
      return [];
    }
    return [{ value: prefix, place }];
  });
}

function checkTargets(problems: ProblemList, targets: readonly Placed<Alias>[]): void {
  for (const { value, place } of targets) {
    if (value.kind !== 'host' && value.kind !== 'ipset' && value.kind !== 'prefix') continue;
    problems.add(
      place,
      'an address is no target of an "ipPool": a node that joins has none yet',
      'name users, groups, tags or autogroups, or set the pool in an entry of its own',
    );
  }
}
