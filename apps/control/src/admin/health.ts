/** REST handler: health. */
import { MallaError, messageOf } from '@malla/base/error';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';

export function healthHandlers({ store, policy }: AdminDeps): HandlersOf<'health'> {
  return {
    async health() {
      await store.check().catch((error: unknown) => {
        const reason = `the database cannot be read or written: ${messageOf(error)}`;
        throw new MallaError('store.unavailable', reason);
      });
      const warnings = [...policy.holder.warnings];
      return { databaseConnectivity: true, ...(warnings.length === 0 ? {} : { warnings }) };
    },
  };
}
