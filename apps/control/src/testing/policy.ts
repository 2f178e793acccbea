/** A policy holder over a store in memory, for tests of what puts a policy in force. */
import { FIRST_TAILNET } from '@malla/netmap/user';
import { type Logger, silentLogger } from '@malla/base/logger';
import type { Policy } from '@malla/policy/policy';
import { State } from '../core/state.ts';
import { Ledger } from '../ledger.ts';
import { PolicyHolder, type PolicyDeps } from '../policy/holder.ts';
import { membersOf } from '../policy/members.ts';
import { openMemoryStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { countingRandom } from './rows.ts';

/** What stays when a server is started again: its database. */
export class PolicyLab {
  readonly store: Store;
  /** What was put in force, in order. */
  readonly applied: (Policy | undefined)[] = [];
  /** Until that is in force everywhere. */
  applying: Promise<void> | undefined;
  /** Unix ms. */
  now = Date.UTC(2026, 10, 21, 12);
  #ledger: Ledger | undefined;

  constructor(store: Store = openMemoryStore()) {
    this.store = store;
  }

  get ledger(): Ledger {
    if (this.#ledger === undefined) throw new Error('nothing was started yet');
    return this.#ledger;
  }

  /** Starts a server's holder on what is stored. */
  async start(source: PolicyDeps['source'], log: Logger = silentLogger): Promise<PolicyHolder> {
    const state = new State(await this.store.load(FIRST_TAILNET));
    const now = (): number => this.now;
    const { store } = this;
    const ledger = new Ledger({
      tailnet: FIRST_TAILNET,
      state,
      store,
      now,
      random: countingRandom(),
    });
    this.#ledger = ledger;
    const holder = new PolicyHolder({
      tailnet: FIRST_TAILNET,
      source,
      ledger,
      onRows: (listener) => ledger.onChanges(listener),
      store,
      members: () => membersOf(state),
      engineOptions: { sshActionUrl: 'https://unused/' },
      onChange: (policy): Promise<void> | undefined => {
        this.applied.push(policy);
        return this.applying;
      },
      now,
      log,
    });
    await holder.start();
    return holder;
  }
}
