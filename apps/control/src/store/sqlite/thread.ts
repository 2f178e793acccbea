/**
 * A store on a thread of its own, so that neither a disk sync nor another process's lock ever stops the
 * sessions and relayed packets of the main thread. Calls are carried out one after the other, in order.
 * The thread keeps the process alive only while a call is unanswered.
 */
import { Worker } from 'node:worker_threads';
import { MallaError, messageOf } from '@malla/base/error';
import type { ErrorCode } from '@malla/base/error-codes';
import type { AuditEntry, Change, PolicyVersion } from '../../core/change.ts';
import type { TailnetId } from '@malla/netmap/user';
import type { Snapshot } from '../../core/state.ts';
import type { Migrated } from './migrate.ts';
import type { SqliteOptions } from './sqlite.ts';
import type { Changes, PolicyHead, Revision, Store } from '../store.ts';

/** What crosses to the thread: a method of the store and its arguments. */
export interface Call {
  readonly id: number;
  readonly method: keyof Store;
  readonly args: readonly unknown[];
}

/** What comes back. The answer to call 0 is that of opening. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: Refusal };

/** A MallaError as data: classes do not cross threads. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: MallaError) => void;
}

export class ThreadedStore implements Store {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #migrated: Promise<unknown>;
  #lastId = 0;
  #ended: MallaError | undefined;

  /** Opens the store on its thread. Throws what {@link SqliteStore.open} throws. */
  static async open(
    options: SqliteOptions,
  ): Promise<{ readonly store: ThreadedStore; readonly migrated: Migrated }> {
    const store = new ThreadedStore(options);
    return { store, migrated: (await store.#migrated) as Migrated };
  }

  private constructor(options: SqliteOptions) {
    this.#worker = new Worker(new URL('./thread-worker.ts', import.meta.url), {
      name: 'malla-store',
      // The process's own options may be none for a thread (`--input-type`, `--test`).
      execArgv: [],
      workerData: options,
    });
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#end(messageOf(error), error));
    this.#worker.on('exit', () => this.#end('it has been closed'));
    this.#migrated = new Promise((resolve, reject) => {
      this.#waiting.set(0, { resolve, reject });
    });
  }

  load(tailnet: TailnetId): Promise<Snapshot> {
    return this.#call('load', tailnet) as Promise<Snapshot>;
  }

  revision(): Promise<Revision> {
    return this.#call('revision') as Promise<Revision>;
  }

  changesSince(revision: Revision): Promise<Changes | undefined> {
    return this.#call('changesSince', revision) as Promise<Changes | undefined>;
  }

  commit(changes: readonly Change[], expected?: Revision): Promise<Revision> {
    // What a row was before is of no use to the store, and copying it costs as much as the row.
    const lean = changes.map((change) => ({ ...change, before: undefined }));
    return this.#call('commit', lean, expected) as Promise<Revision>;
  }

  check(): Promise<void> {
    return this.#call('check') as Promise<void>;
  }

  async healthy(): Promise<boolean> {
    return this.check().then(
      () => true,
      () => false,
    );
  }

  auditEntries(tailnet: TailnetId, nodeId: number, limit: number): Promise<readonly AuditEntry[]> {
    return this.#call('auditEntries', tailnet, nodeId, limit) as Promise<readonly AuditEntry[]>;
  }

  policyHeads(tailnet: TailnetId, limit: number): Promise<readonly PolicyHead[]> {
    return this.#call('policyHeads', tailnet, limit) as Promise<readonly PolicyHead[]>;
  }

  policyVersion(tailnet: TailnetId, id: number): Promise<PolicyVersion | undefined> {
    return this.#call('policyVersion', tailnet, id) as Promise<PolicyVersion | undefined>;
  }

  backup(path: string): Promise<void> {
    return this.#call('backup', path) as Promise<void>;
  }

  async close(): Promise<void> {
    await this.#call('close');
    await this.#worker.terminate();
  }

  #call(method: keyof Store, ...args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage({ id, method, args } satisfies Call);
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(revive(answer.error));
  }

  #end(reason: string, cause?: unknown): void {
    this.#ended ??= new MallaError('store.unavailable', `the store has stopped: ${reason}`, {
      cause,
    });
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

function revive({ code, message, details }: Refusal): MallaError {
  return new MallaError(code, message, { details: { ...details } });
}
