/**
 * What a stand-alone relay gives to its connections. Whom somebody vouches for (an admission service, the
 * mesh key) is known; where nobody is asked all clients are strangers, and share all there is by
 * address.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from '@malla/base/logger';
import { Budget } from '@malla/platform/budget/budget';
import { withinOpenFiles } from '@malla/platform/budget/connection-limits';
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
/** Connections of servers of the region: known also where no client is. */
const MESH_CONNECTIONS = 1_000;
const MIB = 1 << 20;

/** What the figures depend on. */
export interface Surroundings {
  readonly maxClients: number;
  /** Whether somebody is asked for each client. */
  readonly vouched: boolean;
  /** Connections and files that the system lets the process have. */
  readonly openFiles: number;
}

/** Makes them, full. */
export function relayBudgets(
  { maxClients, vouched, openFiles }: Surroundings,
  log: Logger,
): RelayBudgets {
  const onShortage = new ShortageLog(log, () => performance.now()).note;
  const strangers = vouched ? SPARE_CONNECTIONS : maxClients + SPARE_CONNECTIONS;
  const wanted = {
    strangers: { total: strangers, each: Math.ceil(strangers / 2) },
    known: { total: vouched ? maxClients : MESH_CONNECTIONS, each: CONNECTIONS_EACH },
  };
  return {
    connections: new Budget({
      name: 'connections',
      ...withinOpenFiles(wanted, openFiles),
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
