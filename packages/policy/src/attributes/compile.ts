/**
 * The capabilities that `nodeAttrs` give a node: what its client reads from its own capability map.
 * What all nodes of a tailnet have is not said here.
 *
 * Source: Tailscale's policy file syntax, `nodeAttrs`. Observed: the hosted service, April 2026.
 */
import { RANDOMIZE_CLIENT_PORT } from '@malla/wire/tailcfg/node-attributes';
import type { Resolver } from '../contract.ts';
import type { Policy } from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';

/** A capability map; null is a capability without values. */
export type Capabilities = { readonly [capability: string]: readonly unknown[] | null };

/** Compiles the capabilities of a node. Entries add up: values of one capability follow each other in their order. */
export function compileAttributes(
  policy: Policy,
  resolver: Resolver,
  node: PolicyNode,
): Capabilities {
  const found = new Map<string, readonly unknown[] | null>();
  if (policy.randomizeClientPort) found.set(RANDOMIZE_CLIENT_PORT, null);
  for (const entry of policy.nodeAttributes) {
    if (!entry.targets.some(({ value }) => resolver.matches(value, node))) continue;
    for (const { value } of entry.attributes) found.set(value, found.get(value) ?? null);
    for (const [capability, values] of Object.entries(entry.app ?? {})) {
      found.set(capability, [...(found.get(capability) ?? []), ...values]);
    }
  }
  return Object.fromEntries(found);
}
