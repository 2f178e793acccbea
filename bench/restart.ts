/**
 * How long a restart keeps nodes away: joins nodes to `malla serve`, stops it, starts it again on the same
 * data, and measures until every node holds a map stream again and has its whole map. The nodes are
 * simulated in this process (they throw away what they are sent) and try again each 250 ms.
 *
 *     node bench/restart.ts [--nodes 1000]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MachineClient } from '@malla/testkit/machine-client';

const MALLA = fileURLToPath(new URL('../bin/malla', import.meta.url));
const RETRY_MS = 250;
const JOIN_AT_ONCE = 32;

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1000' } } });
const count = Number(values.nodes);
const folder = mkdtempSync(join(tmpdir(), 'malla-restart-'));
const env = { ...process.env, MALLA_DATA_DIR: join(folder, 'data') };
const port = await freePort();
const url = `http://127.0.0.1:${port}`;

let server = start();
try {
  await answers();
  malla('users', 'create', 'bench');
  const authKey = malla('preauthkeys', 'create', '--user', '1', '--reusable');
  const clients = Array.from(
    { length: count },
    (_, i) => new MachineClient({ url, hostname: `n${i}` }),
  );
  for (let i = 0; i < count; i += JOIN_AT_ONCE) {
    await Promise.all(
      clients.slice(i, i + JOIN_AT_ONCE).map(async (client) => {
        await client.connect();
        await client.register({ authKey });
        await client.drainMap();
      }),
    );
  }
  const stopping = performance.now();
  await stop(server);
  const stopped = performance.now();
  server = start();
  await answers();
  const up = performance.now();
  await Promise.all(clients.map((client) => comeBack(client)));
  const back = performance.now();
  console.log(
    JSON.stringify({
      nodes: count,
      stop_s: seconds(stopped - stopping),
      start_s: seconds(up - stopped),
      all_back_after_stop_s: seconds(back - stopping),
      all_back_after_start_s: seconds(back - up),
      goal_s: 10,
    }),
  );
  for (const client of clients) client.close();
} finally {
  await stop(server);
  rmSync(folder, { recursive: true, force: true });
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

function start(): ChildProcess {
  return spawn(MALLA, ['serve', '--url', url, '--listen', `127.0.0.1:${port}`], {
    env,
    cwd: folder,
    stdio: 'ignore',
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

function malla(...args: string[]): string {
  return execFileSync(MALLA, args, { env, cwd: folder, encoding: 'utf8' }).trim();
}

async function answers(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(50);
  }
  throw new Error('the server did not come up within 10 s');
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
