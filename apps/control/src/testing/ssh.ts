/** For tests of SSH checks: nodes 1 to 3 in virtual time, and a policy that says what a test wants. */
import { silentLogger } from '@malla/base/logger';
import type { Node, NodeId } from '@malla/netmap/node';
import { createBudgets } from '../budgets.ts';
import { SshChecks, type SshConnection, type SshVerdict } from '../ssh/checks.ts';
import { countingRandom, testNode } from './rows.ts';
import { VirtualTime } from './virtual-time.ts';
import { operatorCommands } from '../operator-commands.ts';

export const CHECK_LIFETIME_MS = 900_000;

export class TestSsh {
  readonly time = new VirtualTime();
  readonly nodes = new Map<NodeId, Node>([1, 2, 3].map((id) => [id, testNode(id)]));
  verdict: SshVerdict = { kind: 'check', periodMs: 3_600_000 };
  readonly budgets = createBudgets(silentLogger, () => this.time.now, { waitingLogins: 8 });
  readonly checks = new SshChecks({
    budget: this.budgets.sshChecks,
    onCheck: () => {},
    approval: operatorCommands('malla').approve,
    node: (id) => this.nodes.get(id),
    verdict: () => this.verdict,
    lifetimeMs: CHECK_LIFETIME_MS,
    now: () => this.time.now,
    random: countingRandom(),
    after: this.time.after,
    log: silentLogger,
  });

  /** From node 1 to node 2 as root; what is given replaces that. */
  connection(replaced: Partial<SshConnection> = {}): SshConnection {
    return { source: 1, destination: 2, localUser: 'root', ...replaced };
  }

  /** Asks, and gives the id of the check that the connection must wait for. */
  waiting(replaced: Partial<SshConnection> = {}): string {
    const answer = this.checks.ask(this.connection(replaced));
    if (answer.kind !== 'wait') throw new Error(`the answer is ${JSON.stringify(answer)}`);
    return answer.check.id;
  }

  replaceNode(id: NodeId, replaced: Partial<Node>): void {
    this.nodes.set(id, testNode(id, replaced));
  }
}
