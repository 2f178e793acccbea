/**
 * The one writer: runs commands against the state, stores what they decide, and only then answers and
 * tells the listeners. Commands that arrive together share one transaction, so that a storm of
 * registrations costs few disk syncs. If the store fails nothing has happened: changes are undone and
 * every caller of the batch gets the store's error. If it refuses what one of them wants, each gets a
 * transaction of its own, so that only that one fails.
 */
import { MallaError, messageOf } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import type { Change, Decision } from './core/change.ts';
import type { Context, State } from './core/state.ts';
import type { Store } from './store/store.ts';

/** A command: reads the state, refuses by throwing MallaError, decides changes and an answer. */
export type Command<Answer> = (state: State, context: Context) => Decision<Answer>;

/** Told after changes are true (and stored, if they were to be stored before the answer), one for each row. */
export type ChangeListener = (changes: readonly Change[]) => void;

export interface LedgerOptions {
  readonly state: State;
  readonly store: Store;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: RandomBytes;
  /** Runs `task` soon, after what is arriving now has arrived. Default setImmediate. */
  readonly defer?: (task: () => void) => void;
}

/** Commands waiting for a transaction; past this callers are refused. */
const MAX_WAITING = 50_000;
/** Commands in one transaction, so that one batch never blocks the loop for long. */
const MAX_BATCH = 256;

interface Waiting {
  readonly run: (context: Context) => Decision<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Ledger {
  readonly state: State;
  /** Since the start. */
  readonly counters = { commands: 0, commits: 0 };
  readonly #store: Store;
  readonly #options: LedgerOptions;
  readonly #defer: (task: () => void) => void;
  readonly #listeners: ChangeListener[] = [];
  readonly #waiting: Waiting[] = [];
  /** Rows changed in memory and not yet stored, by table and id: the first `before`, the last `after`. */
  readonly #unsaved = new Map<string, Change>();
  #draining: Promise<void> | undefined;

  constructor(options: LedgerOptions) {
    this.state = options.state;
    this.#store = options.store;
    this.#options = options;
    this.#defer = options.defer ?? ((task) => void setImmediate(task));
  }

  /** Listeners must not throw; they run in order of registration. */
  onChanges(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Runs a command. Rejects with the command's MallaError, or with the store's. */
  execute<Answer>(command: Command<Answer>): Promise<Answer> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new MallaError('store.unavailable', 'too many changes are waiting'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        run: (context) => command(this.state, context),
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
      this.#schedule();
    });
  }

  /** How many rows are changed in memory and not yet stored. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  /** Stores what may be stored late. A failure is thrown and the rows stay unsaved. */
  async save(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
    if (this.#unsaved.size === 0) return;
    const changes = [...this.#unsaved.values()];
    await this.#store.commit(changes);
    for (const change of changes) {
      const key = keyOf(change);
      if (this.#unsaved.get(key) === change) this.#unsaved.delete(key);
    }
  }

  #schedule(): void {
    if (this.#draining !== undefined) return;
    this.#draining = new Promise<void>((done) => {
      this.#defer(() => void this.#drain().finally(done));
    });
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, MAX_BATCH);
        this.counters.commands += batch.length;
        await this.#batch(batch);
      }
    } finally {
      // In the same turn as the last look at the queue: what comes later must start a drain of its own.
      this.#draining = undefined;
    }
  }

  async #batch(batch: readonly Waiting[]): Promise<void> {
    const now = this.#options.now();
    const context: Context = { now, random: this.#options.random };
    const applied: Change[] = [];
    let durable = false;
    const answers: { waiting: Waiting; answer: unknown }[] = [];
    for (const waiting of batch) {
      try {
        const decision = waiting.run(context);
        for (const change of decision.changes) {
          this.state.apply(change);
          applied.push(change);
        }
        durable ||= decision.durability === 'now' && decision.changes.length > 0;
        answers.push({ waiting, answer: decision.answer });
      } catch (error) {
        waiting.reject(error);
      }
    }
    try {
      // In the order of application: a row is stored whole, so the last one written must be the newest.
      if (durable) {
        await this.#store.commit(applied);
        this.counters.commits++;
      } else for (const change of applied) merge(this.#unsaved, change);
    } catch (error) {
      for (const change of applied.toReversed()) this.state.revert(change);
      // While the store was at work somebody may have been told what is not true after all.
      this.#tell(applied.toReversed().map(inverse));
      const refusal =
        error instanceof MallaError
          ? error
          : new MallaError('store.unavailable', messageOf(error), { cause: error });
      if (refusal.code === 'internal' && answers.length > 1) {
        for (const { waiting } of answers) await this.#batch([waiting]);
      } else for (const { waiting } of answers) waiting.reject(refusal);
      return;
    }
    if (durable) for (const change of applied) this.#unsaved.delete(keyOf(change));
    this.#tell(applied);
    for (const { waiting, answer } of answers) waiting.resolve(answer);
  }

  /** What lies between the first and the last change of a row no listener could look at any more. */
  #tell(changes: readonly Change[]): void {
    const rows = new Map<string, Change>();
    for (const change of changes) merge(rows, change);
    const told = [...rows.values()].filter(({ before, after }) => (before ?? after) !== undefined);
    if (told.length > 0) for (const listener of this.#listeners) listener(told);
  }
}

/** Makes a change one with those of the same row before it. */
function merge(rows: Map<string, Change>, change: Change): void {
  const key = keyOf(change);
  const earlier = rows.get(key);
  rows.set(key, earlier === undefined ? change : ({ ...change, before: earlier.before } as Change));
}

function inverse(change: Change): Change {
  return { ...change, before: change.after, after: change.before } as Change;
}

function keyOf(change: Change): string {
  return `${change.table} ${change.id}`;
}
