/**
 * Does what time makes due, when it is due. Each duty says when that is; after whatever happens they are asked
 * again. One timer for all of them, none while nothing will be due.
 */
import type { Instant } from '@malla/base/engine';
import type { Clock } from '@malla/platform/clock';

/** Something that has to be done at its time. */
export interface Duty {
  /** In how many ms; not above 0: now. Undefined: not until something happens. */
  readonly dueIn: () => number | undefined;
  readonly run: () => void | Promise<void>;
}

/** Longest sleep: what is due by the wall clock may come nearer when somebody sets that, ms. */
const MAX_SLEEP_MS = 60_000;
/** After which a duty that failed is tried again, ms. */
const RETRY_MS = 5_000;

interface Entry {
  readonly duty: Duty;
  /** While it is being done. */
  doing: Promise<void> | undefined;
  /** It has failed, and is left alone until then. */
  restsUntil: Instant;
}

export class Upkeep {
  readonly #entries: readonly Entry[];
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #armedFor = Infinity;
  #disarm: (() => void) | undefined;
  #isStopped = false;

  constructor(duties: readonly Duty[], clock: Clock, onError: (error: unknown) => void) {
    this.#entries = duties.map((duty) => ({ duty, doing: undefined, restsUntil: -Infinity }));
    this.#clock = clock;
    this.#onError = onError;
    this.look();
  }

  /** Something has happened: a duty may be due earlier than it said. */
  look(): void {
    if (this.#isStopped) return;
    const now = this.#clock.now();
    let at = Infinity;
    for (const { duty, doing, restsUntil } of this.#entries) {
      const dueIn = doing === undefined ? duty.dueIn() : undefined;
      if (dueIn !== undefined) at = Math.min(at, Math.max(now + dueIn, restsUntil));
    }
    // A timer that finds nothing to do is cheaper than moving it.
    if (at >= this.#armedFor) return;
    this.#disarm?.();
    this.#armedFor = Math.min(at, now + MAX_SLEEP_MS);
    this.#disarm = this.#clock.after(Math.max(0, this.#armedFor - now), () => this.#wake());
  }

  /** Begins nothing any more. Resolves when what was begun is done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#disarm?.();
    await Promise.all(this.#entries.flatMap(({ doing }) => doing ?? []));
  }

  #wake(): void {
    this.#armedFor = Infinity;
    this.#disarm = undefined;
    const now = this.#clock.now();
    for (const entry of this.#entries) {
      if (entry.doing !== undefined || entry.restsUntil > now) continue;
      if ((entry.duty.dueIn() ?? Infinity) <= 0) this.#do(entry);
    }
    this.look();
  }

  #do(entry: Entry): void {
    const failed = (error: unknown): void => {
      entry.restsUntil = this.#clock.now() + RETRY_MS;
      this.#onError(error);
    };
    try {
      const doing = entry.duty.run();
      if (doing === undefined) return;
      entry.doing = doing.catch(failed).finally(() => {
        entry.doing = undefined;
        this.look();
      });
    } catch (error) {
      failed(error);
    }
  }
}
