/**
 * What nodes report of themselves, taken into the tailnet at a pace that their peers can bear:
 * {@link ReportPace} with a clock and the ledger.
 */
import { isStoreFault } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { isExpired, type NodeId } from '@malla/netmap/node';
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import { decideSoon } from '../core/change.ts';
import { reportNode } from '../core/map-update.ts';
import type { IsRecord } from '../core/node-name.ts';
import type { Ledger } from '../ledger.ts';
import { type NodeReport, ReportPace } from './report-pace.ts';

/** After which a report that could not be stored is tried again, ms. */
const RETRY_MS = 5_000;

export interface ReportsOptions {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly isRecord: IsRecord;
  readonly log: Logger;
}

export class Reports {
  readonly #driver: Driver<NodeReport, ReportPace>;
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
    this.#driver = new Driver(new ReportPace(), options.clock, (due) => void this.#takeDue(due));
  }

  /**
   * Takes a report. Resolves when it is true, or at once where its node has reported too much of late: then
   * it becomes true later. Rejects as {@link Ledger.executeLate} does.
   */
  async take(given: NodeReport): Promise<void> {
    if (this.#driver.input((engine, now) => engine.handleReport(given, now))) {
      await this.#apply(given);
    }
  }

  /** A node was deleted. */
  removed(node: NodeId): void {
    this.#driver.input((engine) => engine.handleRemoved(node));
  }

  /** The server stops: what waits is taken now. */
  async stop(): Promise<void> {
    this.#driver.stop();
    const all = this.#driver.input((engine) => engine.handleStop());
    await Promise.all(all.map((each) => this.#apply(each)));
  }

  #apply({ node: id, nodeKey, report, ofStream }: NodeReport): Promise<unknown> {
    const { ledger, isRecord } = this.#options;
    return ledger.executeLate((state, { now }) => {
      const node = state.node(id);
      // Logged in anew, logged out or deleted since.
      if (node?.nodeKey !== nodeKey || isExpired(node, now)) return decideSoon([], undefined);
      if (ofStream && node.discoKey !== undefined) return decideSoon([], undefined);
      return { ...reportNode(state, node, report, isRecord), answer: undefined };
    });
  }

  async #takeDue(due: NodeReport): Promise<void> {
    try {
      await this.#apply(due);
    } catch (error) {
      const { log } = this.#options;
      // Of the database the store tells itself.
      if (isStoreFault(error)) {
        this.#driver.input((engine, now) => engine.handleFailed(due, now, RETRY_MS));
      } else log.error({ err: error, node: due.node }, 'a report was not taken');
    }
  }
}
