/**
 * What a stand-alone relay gives to its connections. Whom somebody vouches for (an admission service, the
 * mesh key) is known; where nobody is asked all clients are strangers, and share all there is by
 * address.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from '@malla/base/logger';
import { Budget } from '@malla/platform/budget/budget';
import { ShortageLog } from '@malla/platform/budget/shortage-log';

export interface RelayBudgets {
  readonly connections: Budget;
  /** Bytes of requests that wait for their turn. */
  readonly bodies: Budget;
}

/** Connections in TLS, HTTP or the handshake of DERP, beside clients. */
const SPARE_CONNECTIONS = 2_000;
/** Of one client: it opens a second when it changes networks. */
const CONNECTIONS_EACH = 64;
const MIB = 1 << 20;

/** For a relay of so many clients. `vouched`: each is asked for. */
export function relayBudgets(maxClients: number, vouched: boolean, log: Logger): RelayBudgets {
  const onShortage = new ShortageLog(log, () => performance.now()).note;
  const strangers = vouched ? SPARE_CONNECTIONS : maxClients + SPARE_CONNECTIONS;
  return {
    connections: new Budget({
      name: 'connections',
      strangers: { total: strangers, each: Math.ceil(strangers / 2) },
      known: { total: maxClients, each: CONNECTIONS_EACH },
      onShortage,
    }),
    bodies: new Budget({
      name: 'bodies',
      strangers: { total: 16 * MIB, each: 8 * MIB },
      known: { total: 16 * MIB, each: 8 * MIB },
      onShortage,
    }),
  };
}
