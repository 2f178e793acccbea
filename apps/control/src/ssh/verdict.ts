/**
 * What the policy says of one SSH connection. The destination has found the rule already, in the policy
 * that it was sent; this asks again, so that nobody has to be believed, and finds the rule's period.
 */
import type { PolicyEngine } from '@malla/policy/contract';
import type { End } from '@malla/policy/explain/ends';
import { SshTable } from '@malla/policy/explain/ssh-table';
import { DEFAULT_CHECK_PERIOD_MS } from '@malla/policy/policy';
import type { PolicyNode } from '@malla/policy/subjects';
import type { SshConnection, SshVerdict } from './checks.ts';

/** The verdict of the first rule that fits, in the order in which clients take them. */
export function sshVerdict(
  engine: PolicyEngine,
  { source: sourceId, destination: destinationId, localUser }: SshConnection,
): SshVerdict {
  const source = engine.node(sourceId);
  const destination = engine.node(destinationId);
  if (source === undefined || destination === undefined) return { kind: 'refuse' };
  const table = new SshTable(engine);
  const said = table.verdict(table.asSource(endAt(source)), endAt(destination), localUser);
  switch (said.outcome) {
    case 'accept':
      return { kind: 'accept' };
    case 'check':
      return { kind: 'check', periodMs: said.by.rule.checkPeriodMs ?? DEFAULT_CHECK_PERIOD_MS };
    case 'denied':
      return { kind: 'refuse' };
  }
}

/** A device as SSH rules see it: they name no addresses. */
function endAt(node: PolicyNode): End {
  return { node, addresses: [], internet: false, name: `${node.id}` };
}
