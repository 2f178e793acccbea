/** A tailnet of given rows as the server has it, in memory and told to nobody, for the benches that hand it work directly. */
import { randomBytes } from 'node:crypto';
import { silentLogger } from '@malla/base/logger';
import { operatorCommands } from '@malla/control/operator-commands';
import { FIRST_TAILNET } from '@malla/netmap/user';
import { createBudgets } from '../apps/control/src/budgets.ts';
import { loadConfig } from '../apps/control/src/config/load.ts';
import type { Change } from '../apps/control/src/core/change.ts';
import { openMemoryStore } from '../apps/control/src/store/open.ts';
import { Tailnet } from '../apps/control/src/tailnet.ts';

const monotonic = (): number => performance.now();

/** Stores the rows, and loads the tailnet that they are. */
export async function tailnetOf(rows: readonly Change[]): Promise<Tailnet> {
  const store = openMemoryStore();
  await store.commit(rows);
  const loaded = loadConfig({
    path: '/c.yaml',
    env: {},
    cwd: '/',
    readFile: () => 'server_url: http://127.0.0.1:1\ndata_dir: /nowhere\n',
  });
  if (!loaded.ok) throw new Error('bad configuration');
  const { config } = loaded.value;
  return Tailnet.load(
    FIRST_TAILNET,
    config.tailnet,
    store,
    { Regions: {} },
    {
      now: Date.now,
      monotonic,
      random: (bytes) => randomBytes(bytes),
      after: (delayMs, task) => {
        const timer = setTimeout(task, delayMs);
        return () => clearTimeout(timer);
      },
      compress: (json) => new TextEncoder().encode(json),
      serverUrl: config.serverUrl,
      loginLifetimeMs: config.registerCache.expirationMs,
      commands: operatorCommands('malla'),
      budgets: createBudgets(silentLogger, monotonic, { waitingLogins: 1_024 }),
      log: silentLogger,
      journal: silentLogger,
    },
  );
}
