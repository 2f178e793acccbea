/**
 * The policy in the database of a configuration, without a server: for mending one that keeps a server
 * from starting, and for checking a policy where none runs.
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { AnswerOf } from '@malla/api/v1/routes';
import { MallaError } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { Config } from '../config/config.ts';
import { State } from '../core/state.ts';
import { Ledger } from '../ledger.ts';
import { openMemoryStore, openStore } from '../store/open.ts';
import { engineOptionsOf } from '../policy/engine-options.ts';
import { PolicyHolder, readOnly } from '../policy/holder.ts';
import { membersOf } from '../policy/members.ts';
import { checkView, policyView, setView } from './policy-views.ts';

export interface OfflinePolicy {
  get(): Promise<AnswerOf<'getPolicy'>>;
  set(text: string): Promise<AnswerOf<'setPolicy'>>;
  unset(): Promise<AnswerOf<'unsetPolicy'>>;
  check(text: string): Promise<AnswerOf<'checkPolicy'>>;
  close(): Promise<void>;
}

/**
 * Opens the database, or where there is none an empty one that leaves no file. Throws MallaError
 * `store.*`; `store.locked` while a server runs.
 */
export async function openOfflinePolicy(
  config: Config,
  { log, now }: { readonly log: Logger; readonly now: () => number },
): Promise<OfflinePolicy> {
  const exists = existsSync(config.database.path);
  const store = exists ? (await openStore(config.database, log)).store : openMemoryStore();
  try {
    const state = new State(await store.load(FIRST_TAILNET));
    const ledger = new Ledger({
      tailnet: FIRST_TAILNET,
      state,
      store,
      now,
      random: (bytes) => randomBytes(bytes),
    });
    const holder = new PolicyHolder({
      tailnet: FIRST_TAILNET,
      source: 'database',
      ledger,
      onRows: (listener) => ledger.onChanges(listener),
      store,
      members: () => membersOf(state),
      engineOptions: engineOptionsOf(config),
      onChange: () => undefined,
      now,
      log,
    });
    await holder.start();
    const mustBeKept = (): void => {
      const { source } = config.tailnet.policy;
      if (source !== 'database') throw readOnly(source);
      if (!exists) {
        throw new MallaError('store.unavailable', `there is no database ${config.database.path}`);
      }
    };
    return {
      get: async () => policyView(holder),
      async set(text) {
        mustBeKept();
        return setView(await holder.set(text, 'local'));
      },
      async unset() {
        mustBeKept();
        await holder.unset('local');
        return { default: config.tailnet.policy.default };
      },
      check: async (text) => checkView(await holder.check(text)),
      close: () => store.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
