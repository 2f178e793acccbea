/**
 * What the control server gives to those it does not know, and to those it does: the one place with the
 * figures. Why they are what they are is in docs/decisions/0007-budgets.md.
 *
 * An address is that of the client as far as trusted proxies tell; a machine key that owns a node is
 * known by that key, whoever holds an API key by its prefix.
 */
import type { Logger } from '@malla/base/logger';
import { Budget } from '@malla/platform/budget/budget';
import { RateBudget } from '@malla/platform/budget/rate-budget';
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
  /** Logins that wait for a person. */
  readonly logins: Budget;
  /** Memory that they take. */
  readonly loginBytes: Budget;
  /** SSH connections that wait for approval, by user: strangers have none. */
  readonly sshChecks: Budget;
  /** All of them, for metrics. */
  readonly all: readonly (Budget | RateBudget)[];
}

const MIB = 1 << 20;

/** Makes them all, full. `now`: monotonic ms. `waitingLogins`: as many as the configuration says. */
export function createBudgets(log: Logger, now: () => number, waitingLogins: number): Budgets {
  const onShortage = new ShortageLog(log, now).note;
  const connections = new Budget({
    name: 'connections',
    strangers: { total: 6_000, each: 4_000 },
    known: { total: 60_000, each: 64 },
    onShortage,
  });
  const bodies = new Budget({
    name: 'bodies',
    strangers: { total: 24 * MIB, each: 12 * MIB },
    known: { total: 64 * MIB, each: 8 * MIB },
    onShortage,
  });
  const strangerBytes = new RateBudget({
    name: 'stranger_bytes',
    purse: 'strangers',
    total: { burst: 16 * MIB, perSecond: 2 * MIB },
    each: { burst: 8 * MIB, perSecond: MIB },
    onShortage,
  });
  const handshakes = new RateBudget({
    name: 'handshakes',
    purse: 'strangers',
    total: { burst: 4_000, perSecond: 400 },
    each: { burst: 1_000, perSecond: 100 },
    onShortage,
  });
  const nodeHandshakes = new RateBudget({
    name: 'handshakes',
    purse: 'known',
    total: { burst: 20_000, perSecond: 1_000 },
    each: { burst: 30, perSecond: 1 },
    onShortage,
  });
  const identifications = new RateBudget({
    name: 'identifications',
    purse: 'strangers',
    total: { burst: 5_000, perSecond: 500 },
    each: { burst: 5_000, perSecond: 500 },
    onShortage,
  });
  const logins = new Budget({
    name: 'logins',
    strangers: { total: waitingLogins, each: waitingLogins },
    known: { total: waitingLogins, each: 8 },
    onShortage,
  });
  const loginBytes = new Budget({
    name: 'login_bytes',
    strangers: { total: 8 * MIB, each: 8 * MIB },
    known: { total: 8 * MIB, each: MIB },
    onShortage,
  });
  const sshChecks = new Budget({
    name: 'ssh_checks',
    strangers: { total: 0, each: 0 },
    known: { total: 1_024, each: 256 },
    onShortage,
  });
  const budgets = {
    connections,
    bodies,
    strangerBytes,
    handshakes,
    nodeHandshakes,
    identifications,
    logins,
    loginBytes,
    sshChecks,
  };
  return { ...budgets, all: Object.values(budgets) };
}
