/**
 * How the connections that a system lets a process have are shared out. Each is an open file: with fewer
 * of those than wanted, strangers must still leave room for nodes, and both for everything else.
 */
import type { PurseLimits } from './purse.ts';

export interface ConnectionLimits {
  readonly strangers: PurseLimits;
  readonly known: PurseLimits;
}

/** Open files that are no connections: databases, listeners, what is being read. */
const OTHER_FILES = 100;
/** Strangers' part of too few, if they were not to have more of enough; and of that the part of one address. */
const STRANGERS_SHARE = 1 / 4;
const ADDRESS_SHARE = 2 / 3;

/** What is wanted, or as much of it as so many open files allow. */
export function withinOpenFiles(wanted: ConnectionLimits, openFiles: number): ConnectionLimits {
  const connections = Math.max(8, openFiles - OTHER_FILES);
  const { strangers, known } = wanted;
  const all = strangers.total + known.total;
  if (all <= connections) return wanted;
  const share = Math.max(STRANGERS_SHARE, strangers.total / all);
  const total = Math.max(1, Math.min(strangers.total, Math.floor(connections * share)));
  return {
    strangers: { total, each: Math.min(strangers.each, Math.ceil(total * ADDRESS_SHARE)) },
    known: { total: Math.min(known.total, connections - total), each: known.each },
  };
}
