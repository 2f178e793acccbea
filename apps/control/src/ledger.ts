/**
 * The one writer. A batch of commands runs on the state as it is; what they decided is taken back,
 * stored, applied again, and only then answered and told. So nobody ever reads what is not on disk, and if the
 * store fails nothing has happened: every caller of the batch gets the store's error. If it refuses
 * what one of them wants, each gets a transaction of its own, so that only that one fails. Commands
 * that arrive together share one transaction: a storm of registrations costs few disk syncs.
 *
 * What may be stored late ({@link Ledger.executeLate}) is true at once and waits for no disk, also not
 * for the transaction of others.
 */
import { MallaError, messageOf } from '@malla/base/error';
import { Listeners } from '@malla/base/listeners';
import type { RandomBytes } from '@malla/base/random';
import type { TailnetId } from '@malla/netmap/user';
import type { Change, Decision } from './core/change.ts';
import type { Context, State } from './core/state.ts';
import type { Revision, Store } from './store/store.ts';

/** A command: reads the state, refuses by throwing MallaError, decides changes and an answer. */
export type Command<Answer> = (state: State, context: Context) => Decision<Answer>;

/**
 * Told after changes are true (and stored, if they were to be stored before the answer), one for each
 * row. One that throws does not keep the others from being told.
 */
export type ChangeListener = (changes: readonly Change[]) => void;

export interface LedgerOptions {
  readonly state: State;
  readonly store: Store;
  /** Whose rows commands make. */
  readonly tailnet: TailnetId;
  /** At which the state was loaded: nothing is stored on top of another. Absent: of whatever there is. */
  readonly revision?: Revision;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: RandomBytes;
  /** A listener has thrown: a bug of its own, which is nobody else's. Default: it ends the process. */
  readonly onListenerError?: (error: unknown) => void;
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
  readonly #listeners: Listeners<readonly Change[]>;
  readonly #waiting: Waiting[] = [];
  readonly #late: Waiting[] = [];
  /** Rows changed in memory and not yet stored, by table and id: the first `before`, the last `after`. */
  readonly #unsaved = new Map<string, Change>();
  /** Rows that the store is at work on: nobody else may change them meanwhile. */
  #storing: ReadonlySet<string> = new Set();
  #revision: Revision | undefined;
  #draining: Promise<void> | undefined;

  constructor(options: LedgerOptions) {
    this.state = options.state;
    this.#revision = options.revision;
    this.#store = options.store;
    this.#options = options;
    this.#defer = options.defer ?? ((task) => void setImmediate(task));
    this.#listeners = new Listeners(options.onListenerError ?? throwLater);
  }

  /** Listeners run in order of registration. */
  onChanges(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }

  /** Runs a command. Rejects with the command's MallaError, or with the store's. */
  execute<Answer>(command: Command<Answer>): Promise<Answer> {
    return this.#enqueue(this.#waiting, command, () => this.#schedule());
  }

  /**
   * Runs a command that probably decides what may be stored late (`durability: 'soon'`): it is answered
   * without waiting for the store. One that decides otherwise, or whose rows are being stored, runs
   * again as {@link execute} runs it.
   */
  executeLate<Answer>(command: Command<Answer>): Promise<Answer> {
    return this.#enqueue(this.#late, command, () => {
      if (this.#late.length === 1) this.#defer(() => this.#runLate());
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
    const saving = this.#save([...this.#unsaved.values()]);
    this.#draining = saving.catch(() => {}).then(() => this.#drain());
    await saving;
  }

  async #save(changes: readonly Change[]): Promise<void> {
    await this.#storeAll(changes);
    for (const change of changes) {
      const key = keyOf(change);
      if (this.#unsaved.get(key) === change) this.#unsaved.delete(key);
    }
  }

  async #storeAll(changes: readonly Change[]): Promise<void> {
    const revision = await this.#store.commit(changes, this.#revision);
    if (this.#revision !== undefined) this.#revision = revision;
  }

  #enqueue<Answer>(
    queue: Waiting[],
    command: Command<Answer>,
    schedule: () => void,
  ): Promise<Answer> {
    if (this.#waiting.length + this.#late.length >= MAX_WAITING) {
      return Promise.reject(new MallaError('store.unavailable', 'too many changes are waiting'));
    }
    return new Promise((resolve, reject) => {
      queue.push({
        run: (context) => command(this.state, context),
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
      schedule();
    });
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

  #runLate(): void {
    const context = this.#context();
    const applied: Change[] = [];
    const answers: (() => void)[] = [];
    const batch = this.#late.splice(0, MAX_BATCH);
    for (const waiting of batch) {
      try {
        const { changes, answer, durability } = waiting.run(context);
        if (durability === 'now' || changes.some((change) => this.#storing.has(keyOf(change)))) {
          this.#waiting.push(waiting);
          continue;
        }
        this.#apply(changes, applied);
        this.counters.commands++;
        answers.push(() => waiting.resolve(answer));
      } catch (error) {
        waiting.reject(error);
      }
    }
    for (const change of applied) merge(this.#unsaved, change);
    this.#tell(applied);
    for (const answer of answers) answer();
    if (this.#waiting.length > 0) this.#schedule();
    if (this.#late.length > 0) this.#defer(() => this.#runLate());
  }

  /** Refusals wait as well: they may be due to what another command of the batch has decided. */
  async #batch(batch: readonly Waiting[]): Promise<void> {
    const context = this.#context();
    const decided: Change[] = [];
    const answers: (() => void)[] = [];
    let durable = false;
    for (const waiting of batch) {
      try {
        const { changes, answer, durability } = waiting.run(context);
        this.#apply(changes, decided);
        durable ||= durability === 'now' && changes.length > 0;
        answers.push(() => waiting.resolve(answer));
      } catch (error) {
        answers.push(() => waiting.reject(error));
      }
    }
    if (durable) {
      for (const change of decided.toReversed()) this.state.revert(change);
      const refusal = await this.#commit(decided);
      if (refusal?.code === 'internal' && batch.length > 1) {
        for (const waiting of batch) await this.#batch([waiting]);
        return;
      }
      if (refusal !== undefined) {
        for (const waiting of batch) waiting.reject(refusal);
        return;
      }
      for (const change of decided) {
        this.state.apply(change);
        this.#unsaved.delete(keyOf(change));
      }
    } else for (const change of decided) merge(this.#unsaved, change);
    this.#tell(decided);
    for (const answer of answers) answer();
  }

  /** Stores changes, in the order of application: a row is stored whole, so the last one must be the newest. */
  async #commit(changes: readonly Change[]): Promise<MallaError | undefined> {
    this.#storing = new Set(changes.map(keyOf));
    try {
      await this.#storeAll(changes);
      this.counters.commits++;
      return undefined;
    } catch (error) {
      return error instanceof MallaError
        ? error
        : new MallaError('store.unavailable', messageOf(error), { cause: error });
    } finally {
      this.#storing = new Set();
    }
  }
  #context(): Context {
    const { tailnet, now, random } = this.#options;
    return { tailnet, now: now(), random };
  }

  /** Applies what a command has decided, so that the next one sees it. */
  #apply(changes: readonly Change[], applied: Change[]): void {
    for (const change of changes) {
      this.state.apply(change);
      applied.push(change);
    }
  }

  /** What lies between the first and the last change of a row no listener could look at any more. */
  #tell(changes: readonly Change[]): void {
    const rows = new Map<string, Change>();
    for (const change of changes) merge(rows, change);
    const told = [...rows.values()].filter(({ before, after }) => (before ?? after) !== undefined);
    if (told.length > 0) this.#listeners.tell(told);
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Makes a change one with those of the same row before it. */
function merge(rows: Map<string, Change>, change: Change): void {
  const key = keyOf(change);
  const earlier = rows.get(key);
  rows.set(key, earlier === undefined ? change : ({ ...change, before: earlier.before } as Change));
}

function keyOf(change: Change): string {
  return `${change.table} ${change.id}`;
}
