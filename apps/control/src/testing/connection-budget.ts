/** For tests of connections: the budget of one whose machine owns a node. */
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import { createBudgets } from '../budgets.ts';
import { ConnectionBudget, type ConnectionBudgetOptions } from '../channel/connection-budget.ts';
import { Pace } from '../channel/pace.ts';

/** What is given replaces a node that is asked nothing, at a time that stands. */
export function testConnectionBudget(
  given: Partial<ConnectionBudgetOptions> = {},
): ConnectionBudget {
  const budgets = createBudgets(silentLogger, () => 0, { waitingLogins: 8 });
  return new ConnectionBudget({
    machineKey: formatKey('mkey', new Uint8Array(32).fill(1)),
    remoteAddress: '192.0.2.1',
    bodies: budgets.bodies,
    pace: new Pace({ budget: budgets.strangerBytes, now: () => 0, after: () => {} }),
    isNode: () => true,
    isAwaited: () => false,
    onEvicted: () => {},
    ...given,
  });
}
