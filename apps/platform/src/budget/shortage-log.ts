/**
 * Says in the log that a budget is used up: at once, and then once in a while how often since. A flood
 * leaves a line a minute, not a line a packet.
 */
import type { Logger } from '@malla/base/logger';
import type { PurseName, Shortage } from './shortage.ts';

/** Between two lines about one purse, ms. */
export const LINE_EVERY_MS = 60_000;

interface Said {
  at: number;
  /** Shortages since, this one among them. */
  times: number;
}

const MESSAGES: Readonly<Record<PurseName, string>> = {
  strangers: 'a budget of strangers is used up: some of them are refused, nodes are not',
  known: 'a budget of nodes is used up: some of them are refused',
};

export class ShortageLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #said = new Map<string, Said>();

  /** `now`: monotonic milliseconds. */
  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Takes note of one; bound, so that it can be handed out as it is. */
  readonly note = ({ budget, purse, cause, holder }: Shortage): void => {
    const key = `${budget} ${purse}`;
    const said = this.#said.get(key) ?? { at: -Infinity, times: 0 };
    this.#said.set(key, said);
    said.times++;
    const now = this.#now();
    if (now - said.at < LINE_EVERY_MS) return;
    const { times } = said;
    Object.assign(said, { at: now, times: 0 });
    this.#log.warn({ budget, cause, holder, times }, MESSAGES[purse]);
  };
}
