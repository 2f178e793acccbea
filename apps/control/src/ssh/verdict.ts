/**
 * What the policy says of one SSH connection. The destination has found the rule already, in the policy
 * that it was sent; this asks again, so that nobody has to be believed, and finds the rule's period.
 */
import type { PolicyEngine } from '@malla/policy/engine/contract';
import type { SshRule } from '@malla/policy/policy';
import {
  inOrder,
  isDestination,
  isSource,
  localpartOf,
  namesSelf,
  sharesOwner,
} from '@malla/policy/ssh/compile';
import { DEFAULT_PERIOD_MS } from './approvals.ts';
import type { SshConnection, SshVerdict } from './checks.ts';

/** The verdict of the first rule that fits. */
export function sshVerdict(
  engine: Pick<PolicyEngine, 'policy' | 'resolver' | 'node'>,
  { source: sourceId, destination: destinationId, localUser }: SshConnection,
): SshVerdict {
  const source = engine.node(sourceId);
  const destination = engine.node(destinationId);
  if (source === undefined || destination === undefined) return { kind: 'refuse' };
  const { resolver } = engine;
  const rule = inOrder(engine.policy).find(
    (each) =>
      permitsUser(each, localUser, resolver.ownerOf(source)) &&
      isSource(each, resolver, source) &&
      (isDestination(each, resolver, destination) ||
        (namesSelf(each) && sharesOwner(source, destination))) &&
      resolver.meets(each.postures, source),
  );
  if (rule === undefined) return { kind: 'refuse' };
  if (rule.action === 'accept') return { kind: 'accept' };
  return { kind: 'check', periodMs: rule.checkPeriodMs ?? DEFAULT_PERIOD_MS };
}

function permitsUser(
  rule: SshRule,
  localUser: string,
  owner: Parameters<typeof localpartOf>[1] | undefined,
): boolean {
  return rule.users.some(
    ({ value }) =>
      value === localUser ||
      (value === 'autogroup:nonroot' && localUser !== 'root') ||
      (owner !== undefined && localpartOf(value, owner) === localUser),
  );
}
