/**
 * What the sources of a rule with postures mean behind routers. Nobody can tell the posture of what is
 * there, so nothing is asked of it: traffic of theirs passes by its addresses alone. The tailnet's own
 * ranges are never behind a router.
 *
 * Source: Tailscale's documentation, device posture §Posture conditions.
 */
import type { Prefix } from '@malla/ip/prefix';
import { CGNAT, EXIT_ROUTES, TAILNET_ULA } from '@malla/ip/special';
import type { Alias, Policy } from '../policy.ts';
import { without } from '../internet.ts';
import { aliasText, isAutogroup, prefixesOf, type SelectorSpec } from './selector.ts';

/** The specification of what an alias means behind routers; undefined if it means only devices. */
export function behindSpec(alias: Alias, policy: Policy): SelectorSpec | undefined {
  if (alias.kind !== 'any' && prefixesBehind(alias, policy).length === 0) return undefined;
  const text = `${aliasText(alias)} behind routers`;
  return { text, alias, postures: [], via: [], behind: true };
}

/** The prefixes of an alias without the tailnet's own ranges; for `*` see rule-sources.ts. */
export function prefixesBehind(alias: Alias, policy: Policy): readonly Prefix[] {
  const whole = isAutogroup(alias, 'danger-all') ? EXIT_ROUTES : prefixesOf(alias, policy);
  return whole.flatMap((prefix) => without(prefix, [CGNAT, TAILNET_ULA]));
}
