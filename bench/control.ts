/**
 * The control server measured from outside: starts `malla serve` in a process of its own, points the
 * load generator at it (official client packages in Go), and prints its figures as JSON, one object per
 * run, with the goals beside them.
 *
 *     node bench/control.ts [--nodes 1000] [--runs 3] [--loadgen PATH] [--strict]
 *
 * The load generator is not part of this repository: `../shared/tools/loadgen`, or a binary by
 * `--loadgen`. It shares the machine's cores with the server, so times to the last peer hold both.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MALLA = join(ROOT, 'bin', 'malla');

/** Goals for 1,000 nodes, by the load generator's field. */
const GOALS: Readonly<Record<string, number>> = {
  register_cpu_ms_per_node: 1,
  full_mesh_s: 5,
  settled_cpu_s: 0.8,
  rss_kb_per_node: 40,
  rss_peak_mb: 135,
  propagate_last_median_ms: 25,
  propagate_lost: 0,
  broken_streams: 0,
};

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '1' },
    loadgen: { type: 'string' },
    strict: { type: 'boolean', default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'malla-bench-'));
try {
  const loadgen = values.loadgen ?? buildLoadgen();
  if (loadgen !== undefined) {
    const runs: Record<string, unknown>[] = [];
    for (let i = 0; i < Number(values.runs); i++) runs.push(await measure(loadgen, i));
    report(runs);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Builds the load generator outside the repository; undefined, said aloud, where that cannot be. */
function buildLoadgen(): string | undefined {
  const source = join(ROOT, '..', 'shared', 'tools', 'loadgen');
  if (!existsSync(source)) {
    console.error(`skipped: there is no load generator at ${source}; name one with --loadgen`);
    return undefined;
  }
  cpSync(source, join(folder, 'loadgen'), { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', join(folder, 'loadgen')]);
  const program = join(folder, 'loadgen.bin');
  execFileSync('go', ['build', '-o', program, '.'], {
    cwd: join(folder, 'loadgen'),
    stdio: 'inherit',
  });
  return program;
}

async function measure(loadgen: string, run: number): Promise<Record<string, unknown>> {
  const dataDir = join(folder, `data${run}`);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { ...process.env, MALLA_DATA_DIR: dataDir };
  const server = spawn(MALLA, ['serve', '--url', url, '--listen', `127.0.0.1:${port}`], {
    env,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  try {
    await answers(url);
    const malla = (...args: string[]): string =>
      execFileSync(MALLA, args, { env, cwd: folder, encoding: 'utf8' }).trim();
    malla('users', 'create', 'bench');
    const key = malla('preauthkeys', 'create', '--user', '1', '--reusable');
    const figures = await runLoadgen(loadgen, [
      '-url',
      url,
      '-authkey',
      key,
      '-n',
      values.nodes,
      '-pid',
      String(server.pid),
      ...(values.strict ? ['-strict'] : []),
    ]);
    return { ...figures, server_rss_peak_mb: peakMb(server) };
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => server.once('exit', resolve));
  }
}

async function runLoadgen(
  program: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(text) as Record<string, unknown>;
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(100);
  }
  throw new Error('the server did not come up within 10 s');
}

function peakMb(server: ChildProcess): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Prints each run, then the median of every figure beside its goal. */
function report(runs: readonly Record<string, unknown>[]): void {
  for (const run of runs) console.log(JSON.stringify(run));
  const medians: Record<string, { median: number; goal?: number }> = {};
  for (const field of Object.keys(runs[0] ?? {})) {
    const sorted = runs.map((run) => Number(run[field])).toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    if (median === undefined || Number.isNaN(median)) continue;
    const goal = values.nodes === '1000' ? GOALS[field] : undefined;
    medians[field] = { median, ...(goal === undefined ? {} : { goal }) };
  }
  console.log(JSON.stringify({ nodes: Number(values.nodes), runs: runs.length, medians }, null, 2));
}
