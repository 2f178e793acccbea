/** What nodes report for the record: their audit log and their health. */
import type { NodeId } from '@malla/netmap/node';
import { decide, type Decision } from './change.ts';
import type { Context, State } from './state.ts';

/** Keeps an entry. `timestamp` is the client's, Unix ms. */
export function appendAudit(
  state: State,
  nodeId: NodeId,
  action: string,
  details: string,
  timestamp: number,
  { tailnet }: Pick<Context, 'tailnet'>,
): Decision<void> {
  const id = state.nextId('audit');
  const after = { id, tailnet, nodeId, action, details, timestamp };
  return decide([{ table: 'audit', id, before: undefined, after }], undefined);
}
