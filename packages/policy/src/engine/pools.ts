/**
 * From which pools nodes get their IPv4 address when they join. A node keeps its address, whatever the
 * policy says later.
 */
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import type { Policy } from '../policy.ts';
import { type PolicyNode, UNKNOWN_NODE } from '../subjects.ts';
import type { Resolver } from '../contract.ts';

/** What is known of a node that joins. */
export type Newcomer = Pick<PolicyNode, 'userId' | 'tags'>;

/** The pool of the first entry that means a node and has one; empty: none has. */
export function poolFor(policy: Policy, resolver: Resolver, of: Newcomer): readonly Prefix[] {
  const node = { ...UNKNOWN_NODE, ...of };
  const entry = policy.nodeAttributes.find(
    ({ pool, targets }) =>
      pool.length > 0 && targets.some(({ value }) => resolver.matches(value, node)),
  );
  return entry?.pool.map(({ value }) => value) ?? [];
}

/** The prefixes of all pools, each once. */
export function allPools(policy: Policy): readonly Prefix[] {
  const prefixes = policy.nodeAttributes.flatMap(({ pool }) => pool.map(({ value }) => value));
  return [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}
