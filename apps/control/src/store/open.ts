/** Opens the store that the configuration names. */
import type { Logger } from '@malla/base/logger';
import { IN_MEMORY, type SqliteOptions, SqliteStore } from './sqlite/sqlite.ts';
import type { Store } from './store.ts';
import { ThreadedStore } from './sqlite/thread.ts';

/** A store, and whether opening made it. */
export interface OpenedStore {
  readonly store: Store;
  readonly isNew: boolean;
}

/** Opens the database, migrated to this program's schema. Throws MallaError `store.*`. */
export async function openStore(options: SqliteOptions, log: Logger): Promise<OpenedStore> {
  const { store, migrated } = await ThreadedStore.open(options);
  const { from, to, snapshot } = migrated;
  if (from !== to) log.info({ path: options.path, from, to, snapshot }, 'database schema migrated');
  return { store, isNew: from === 0 };
}

/** A store that lasts as long as its process, for tests: the same code without a file. */
export function openMemoryStore(): Store {
  return SqliteStore.open({ path: IN_MEMORY, writeAheadLog: false, walAutocheckpoint: 0 });
}
