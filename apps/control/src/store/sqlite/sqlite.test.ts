import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Place, storeConformance } from '../conformance.ts';
import { type SqliteOptions, SqliteStore } from './sqlite.ts';
import type { Store } from '../store.ts';
import { ThreadedStore } from './thread.ts';

for (const writeAheadLog of [true, false]) {
  storeConformance(
    `SQLite ${writeAheadLog ? 'with' : 'without'} a write-ahead log`,
    () => folderFor(writeAheadLog, async (options) => SqliteStore.open(options)),
    20,
  );
}

storeConformance(
  'SQLite on a thread',
  () => folderFor(true, async (options) => (await ThreadedStore.open(options)).store),
  3,
);

async function folderFor(
  writeAheadLog: boolean,
  open: (options: SqliteOptions) => Promise<Store>,
): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'malla-store-'));
  return {
    open: () => open({ path: join(folder, 'malla.db'), writeAheadLog, walAutocheckpoint: 1000 }),
    remove: () => rm(folder, { recursive: true }),
  };
}
