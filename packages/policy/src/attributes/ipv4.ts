/**
 * Nodes that use no IPv4 address, by the attribute `disable-ipv4`: such a node is told neither its own nor
 * those of others, and others are not told its. One without an IPv6 address keeps what it has.
 *
 * Observed: the hosted service, April 2026.
 */
import { DISABLE_IPV4 } from '@malla/wire/tailcfg/node-attributes';
import type { PolicyEngine } from '../contract.ts';
import type { PolicyNode } from '../subjects.ts';

/** Whether a node uses IPv4 addresses. */
export function usesIpv4(engine: PolicyEngine, { id, addresses }: PolicyNode): boolean {
  if (!Object.hasOwn(engine.attributes(id), DISABLE_IPV4)) return true;
  return !addresses.some(({ family }) => family === 6);
}
