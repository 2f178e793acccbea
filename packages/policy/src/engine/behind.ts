/**
 * What the sources of a rule with postures mean behind routers. Nobody can tell the posture of what is
 * there, so nothing is asked of it: traffic of theirs passes by its addresses alone. The tailnet's own
 * ranges are never behind a router.
 *
 * Source: Tailscale's documentation, device posture §Posture conditions.
 */
import { contains, type Prefix } from '@malla/ip/prefix';
import { CGNAT, TAILNET_ULA } from '@malla/ip/special';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { Alias, Policy } from '../policy.ts';
import { without } from './internet.ts';
import type { Population } from './population.ts';
import {
  aliasText,
  isAutogroup,
  prefixesOf,
  type Selector,
  type SelectorSpec,
} from './selector.ts';
import { isTailnetAddress, prefixText } from './sources.ts';

/** The specification of what an alias means behind routers; undefined if it means only devices. */
export function behindSpec(alias: Alias, policy: Policy): SelectorSpec | undefined {
  if (alias.kind !== 'any' && prefixesBehind(alias, policy).length === 0) return undefined;
  const text = `${aliasText(alias)} behind routers`;
  return { text, alias, postures: [], via: [], behind: true };
}

/** The prefixes of an alias without the tailnet's own ranges; for `*` see {@link behindTexts}. */
export function prefixesBehind(alias: Alias, policy: Policy): readonly Prefix[] {
  const whole = isAutogroup(alias, 'danger-all') ? EXIT_ROUTES : prefixesOf(alias, policy);
  return whole.flatMap((prefix) => without(prefix, [CGNAT, TAILNET_ULA]));
}

/**
 * The sources under such a selector: for `*` the subnets that are served. A prefix in which a device has
 * its address counts for none: the device could have another posture.
 */
export function behindTexts(
  { alias, prefixes }: Selector,
  population: Population,
): readonly string[] {
  if (alias.kind === 'any') return population.routes();
  const taken = [...population.nodes()].flatMap(({ addresses }) =>
    addresses.filter((address) => !isTailnetAddress(address)),
  );
  return prefixes
    .filter((prefix) => !taken.some((address) => contains(prefix, address)))
    .map(prefixText);
}
