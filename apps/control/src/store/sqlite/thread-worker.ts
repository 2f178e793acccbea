/** The thread's side of thread.ts: opens the store and carries out calls in their order. */
import { parentPort, workerData } from 'node:worker_threads';
import { storeError } from './sqlite-error.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';
import type { Store } from '../store.ts';
import type { Answer, Call } from './thread.ts';

const options = workerData as SqliteOptions;
if (parentPort !== null) serve(parentPort);

function serve(port: NonNullable<typeof parentPort>): void {
  let store: SqliteStore;
  try {
    store = SqliteStore.open(options);
  } catch (error) {
    port.postMessage(refusal(0, error));
    return;
  }
  port.postMessage({ id: 0, ok: true, value: store.migrated } satisfies Answer);
  port.on('message', (call: Call) => {
    void carryOut(store, call).then((answer) => port.postMessage(answer));
  });
}

async function carryOut(store: Store, { id, method, args }: Call): Promise<Answer> {
  try {
    const run = store[method] as (...values: unknown[]) => Promise<unknown>;
    return { id, ok: true, value: await run.apply(store, [...args]) };
  } catch (error) {
    return refusal(id, error);
  }
}

function refusal(id: number, error: unknown): Answer {
  const { code, message, details } = storeError(error, options.path);
  return { id, ok: false, error: { code, message, details } };
}
