/**
 * Tells the log that the database cannot be written, why, and that it can be again: a full disk refuses
 * every change, and who looks for the reason looks there. Once at the beginning, then once a minute.
 */
import { MallaError, messageOf } from '@malla/base/error';
import { LimitedLog } from '@malla/base/limited-log';
import type { Logger } from '@malla/base/logger';
import type { AuditEntry, Change, PolicyVersion } from '../core/change.ts';
import type { TailnetId } from '@malla/netmap/user';
import type { Snapshot } from '../core/state.ts';
import type { Changes, PolicyHead, Revision, Store } from './store.ts';

const LINES = { burst: 1, everyMs: 60_000 } as const;

export class WatchedStore implements Store {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #failures: LimitedLog;
  #fails = false;

  /** `now`: monotonic ms. */
  constructor(store: Store, log: Logger, now: () => number) {
    this.#store = store;
    this.#log = log;
    this.#failures = new LimitedLog(log, now, LINES);
  }

  load(tailnet: TailnetId): Promise<Snapshot> {
    return this.#store.load(tailnet);
  }

  commit(changes: readonly Change[], expected?: Revision): Promise<Revision> {
    return this.#watch(() => this.#store.commit(changes, expected));
  }

  revision(): Promise<Revision> {
    return this.#store.revision();
  }

  changesSince(revision: Revision): Promise<Changes | undefined> {
    return this.#store.changesSince(revision);
  }

  check(): Promise<void> {
    return this.#watch(() => this.#store.check());
  }

  async healthy(): Promise<boolean> {
    return this.check().then(
      () => true,
      () => false,
    );
  }

  auditEntries(tailnet: TailnetId, nodeId: number, limit: number): Promise<readonly AuditEntry[]> {
    return this.#store.auditEntries(tailnet, nodeId, limit);
  }

  policyHeads(tailnet: TailnetId, limit: number): Promise<readonly PolicyHead[]> {
    return this.#store.policyHeads(tailnet, limit);
  }

  policyVersion(tailnet: TailnetId, id: number): Promise<PolicyVersion | undefined> {
    return this.#store.policyVersion(tailnet, id);
  }

  backup(path: string): Promise<void> {
    return this.#store.backup(path);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #watch<T>(write: () => Promise<T>): Promise<T> {
    const written = await write().catch((error: unknown) => {
      this.#failed(error);
      throw error;
    });
    if (this.#fails) this.#log.info({}, 'the database can be written again');
    this.#fails = false;
    return written;
  }

  #failed(error: unknown): void {
    // One change that breaks a rule of the schema says nothing of the next.
    if (error instanceof MallaError && error.code === 'internal') return;
    this.#fails = true;
    const { log } = this.#failures;
    log.error({ err: messageOf(error) }, 'the database cannot be written: changes are refused');
  }
}
