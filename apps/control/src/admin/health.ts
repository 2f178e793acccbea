/** REST handler: health. */
import { MallaError } from '@malla/base/error';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';

export function healthHandlers({ store }: AdminDeps): HandlersOf<'health'> {
  return {
    async health() {
      if (await store.healthy()) return { databaseConnectivity: true };
      throw new MallaError('store.unavailable', 'the database cannot be read or written');
    },
  };
}
