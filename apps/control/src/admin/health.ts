/** REST handler: health. */
import { MallaError } from '@malla/base/error';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handlers.ts';

export function healthHandlers({ store, policy }: AdminDeps): HandlersOf<'health'> {
  return {
    async health() {
      if (await store.healthy()) {
        const warnings = [...policy.holder.warnings];
        return { databaseConnectivity: true, ...(warnings.length === 0 ? {} : { warnings }) };
      }
      throw new MallaError('store.unavailable', 'the database cannot be read or written');
    },
  };
}
