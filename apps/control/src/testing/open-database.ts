/** Opens a database as a server does, for tests that do so in another process. */
import { FIRST_TAILNET } from '@malla/netmap/user';
import { SqliteStore } from '../store/sqlite/sqlite.ts';

/** The names of its users, after a commit that changes nothing. */
export async function usersOf(path: string): Promise<string> {
  const store = SqliteStore.open({
    path,
    writeAheadLog: true,
    walAutocheckpoint: 1000,
    busyTimeoutMs: 0,
  });
  try {
    await store.commit([]);
    const { user } = await store.load(FIRST_TAILNET);
    return user.map(({ name }) => name).join();
  } finally {
    await store.close();
  }
}
