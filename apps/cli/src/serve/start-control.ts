/** Brings the control server up with this process's store, log, clock and randomness. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '@malla/base/logger';
import type { Config } from '@malla/control/config/config';
import { startControl } from '@malla/control/control';
import { openStore } from '@malla/control/store/open';
import { readVersion } from '../version.ts';
import type { Running } from './run-until-stopped.ts';

/**
 * Starts it. `call` is how the operator calls malla. Throws MallaError with one sentence when something is in
 * the way.
 */
export async function startServer(config: Config, log: Logger, call: string): Promise<Running> {
  const build = await readVersion();
  const { store, isNew } = await openStore(config.database, log);
  try {
    const control = await startControl(config, {
      store,
      databaseIsNew: isNew,
      log,
      build,
      call,
      random: randomBytes,
    });
    return {
      reload: () => control.reload(),
      async stop() {
        await control.stop();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
