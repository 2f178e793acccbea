/**
 * What the control server gives to those it does not know, and to those it does: the one place with the
 * figures. Why they are what they are is in docs/decisions/0007-budgets.md.
 *
 * An address is that of the client as far as trusted proxies tell; a machine key that owns a node is
 * known by that key, whoever holds an API key by its prefix.
 */
import type { Logger } from '@malla/base/logger';
import { Budget } from '@malla/platform/budget/budget';
import { type ConnectionLimits, withinOpenFiles } from '@malla/platform/budget/connection-limits';
import type { PurseLimits } from '@malla/platform/budget/purse';
import { type Rate, RateBudget } from '@malla/platform/budget/rate-budget';
import type { PurseName } from '@malla/platform/budget/shortage';
import { ShortageLog } from '@malla/platform/budget/shortage-log';

export interface Budgets {
  /** Connections of public listeners, from their first packet to their end, whatever becomes of them. */
  readonly connections: Budget;
  /** Bytes of requests that are gathered and not yet used: heads and bodies, plain and inside Noise. */
  readonly bodies: Budget;
  /** Bytes that machine keys without a node send inside Noise. */
  readonly strangerBytes: RateBudget;
  /** Noise handshakes of machine keys that own no node. */
  readonly handshakes: RateBudget;
  /** Noise handshakes of machine keys that own one. */
  readonly nodeHandshakes: RateBudget;
  /** Looks at who sends a handshake that no budget of strangers is left for: it may be a node. */
  readonly identifications: RateBudget;
  /** Entries of audit logs and of health that nodes send to be kept, by their owner. */
  readonly auditEntries: RateBudget;
  /** Devices that become nodes by themselves, by the owner that they get. */
  readonly newNodes: RateBudget;
  /** What machines change of the nodes that they have by registering, by machine key. */
  readonly renewals: RateBudget;
  /** Logins that wait for a person. */
  readonly logins: Budget;
  /** Memory that they take. */
  readonly loginBytes: Budget;
  /** SSH connections that wait for approval, by user: strangers have none. */
  readonly sshChecks: Budget;
  /** All of them, for metrics. */
  readonly all: readonly (Budget | RateBudget)[];
}

/** What the figures depend on. */
export interface Surroundings {
  /** As many as the configuration says. */
  readonly waitingLogins: number;
  /** Connections and files that the system lets the process have; default as many as it likes. */
  readonly openFiles?: number;
}

const MIB = 1 << 20;
const CONNECTIONS: ConnectionLimits = {
  strangers: { total: 6_000, each: 4_000 },
  known: { total: 60_000, each: 64 },
};

/** Makes them all, full. `now`: monotonic ms. */
export function createBudgets(
  log: Logger,
  now: () => number,
  { waitingLogins, openFiles = Infinity }: Surroundings,
): Budgets {
  const onShortage = new ShortageLog(log, now).note;
  const held = (name: string, strangers: PurseLimits, known: PurseLimits): Budget =>
    new Budget({ name, strangers, known, onShortage });
  const spent = (name: string, purse: PurseName, total: Rate, each: Rate): RateBudget =>
    new RateBudget({ name, purse, total, each, onShortage });
  const connections = withinOpenFiles(CONNECTIONS, openFiles);

  const budgets = {
    connections: held('connections', connections.strangers, connections.known),
    bodies: held('bodies', upTo(24 * MIB, 12 * MIB), upTo(64 * MIB, 8 * MIB)),
    strangerBytes: spent(
      'stranger_bytes',
      'strangers',
      rate(16 * MIB, 2 * MIB),
      rate(8 * MIB, MIB),
    ),
    handshakes: spent('handshakes', 'strangers', rate(4_000, 400), rate(1_000, 100)),
    nodeHandshakes: spent('handshakes', 'known', rate(20_000, 1_000), rate(30, 1)),
    identifications: spent('identifications', 'strangers', rate(5_000, 500), rate(5_000, 500)),
    auditEntries: spent('audit_entries', 'known', rate(10_000, 100), rate(1_000, 2)),
    // A whole office joins with one key at once; five a second are what autoscaling and CI make.
    newNodes: spent('new_nodes', 'known', rate(20_000, 50), rate(5_000, 5)),
    renewals: spent('renewals', 'known', rate(20_000, 500), rate(20, 1)),
    logins: held('logins', upTo(waitingLogins, waitingLogins), upTo(waitingLogins, 8)),
    loginBytes: held('login_bytes', upTo(8 * MIB, 8 * MIB), upTo(8 * MIB, MIB)),
    sshChecks: held('ssh_checks', upTo(0, 0), upTo(1_024, 256)),
  };
  return { ...budgets, all: Object.values(budgets) };
}

/** So much for all together, so much for each. */
function upTo(total: number, each: number): PurseLimits {
  return { total, each };
}

function rate(burst: number, perSecond: number): Rate {
  return { burst, perSecond };
}
