/**
 * How long a restart keeps nodes away: joins nodes to `malla serve`, stops it, starts it again on the same
 * data, and measures until every node holds a map stream again and has its whole map. The nodes are
 * simulated in this process (they throw away what they are sent) and try again each 250 ms.
 *
 *     node bench/restart.ts [--nodes 1000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineClient } from '@malla/testkit/machine-client';
import { MallaProcess } from './malla-process.ts';
import { bench } from './report.ts';

const RETRY_MS = 250;
const JOIN_AT_ONCE = 32;

const { values, report } = bench(import.meta.filename, {
  nodes: { type: 'string', default: '1000' },
});
const count = Number(values.nodes);
const folder = mkdtempSync(join(tmpdir(), 'malla-restart-'));
const malla = await MallaProcess.create(folder, join(folder, 'data'));
try {
  await malla.start();
  const authKey = malla.reusableKey();
  const clients = Array.from(
    { length: count },
    (_, i) => new MachineClient({ url: malla.url, hostname: `n${i}` }),
  );
  for (let i = 0; i < count; i += JOIN_AT_ONCE) {
    await Promise.all(clients.slice(i, i + JOIN_AT_ONCE).map((client) => enter(client, authKey)));
  }
  const stopping = performance.now();
  await malla.stop();
  const stopped = performance.now();
  await malla.start();
  const up = performance.now();
  await Promise.all(clients.map((client) => comeBack(client)));
  const back = performance.now();
  report.addFields(
    '',
    {
      stop_s: seconds(stopped - stopping),
      start_s: seconds(up - stopped),
      all_back_after_stop_s: seconds(back - stopping),
      all_back_after_start_s: seconds(back - up),
    },
    { all_back_after_stop_s: 10 },
  );
  report.finish();
  for (const client of clients) client.close();
} finally {
  await malla.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function enter(client: MachineClient, authKey: string): Promise<void> {
  await client.connect();
  await client.register({ authKey });
  await client.drainMap();
}

async function comeBack(client: MachineClient): Promise<void> {
  for (;;) {
    try {
      client.close();
      await client.connect();
      await client.drainMap();
      return;
    } catch {
      await sleep(RETRY_MS);
    }
  }
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
