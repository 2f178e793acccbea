/**
 * What one command costs, from its start to its end: time, CPU and peak memory, against a server on this
 * machine with a configuration file and a few hundred users. The least of several runs, as others may be at
 * work on the machine.
 *
 *     node bench/cli.ts [--runs 9]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { createClient } from '@malla/api/v1/client';
import { socketTransport } from '@malla/cli/socket-transport';
import { MallaProcess } from './malla-process.ts';
import { bench } from './report.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const USERS = 300;
const COMMANDS: readonly (readonly string[])[] = [
  ['--help'],
  ['version'],
  ['health'],
  ['users', 'list'],
  ['users', 'list', '-o', 'json'],
  ['preauthkeys', 'create', '--user', '1'],
  ['nodes', 'list'],
];
/** Tells at its end what the process has used, on a pipe of its own. */
const USAGE = `import fs from 'node:fs';
process.on('exit', () => fs.writeSync(3, JSON.stringify(process.resourceUsage())));`;

interface Usage {
  readonly userCPUTime: number;
  readonly systemCPUTime: number;
  readonly maxRSS: number;
}

const { values, report } = bench(import.meta.filename, {
  runs: { type: 'string', default: '9' },
});
const runs = Number(values.runs);
const folder = mkdtempSync(join(tmpdir(), 'malla-cli-'));
const dataDir = join(folder, 'data');
// Of another name than the server would take by itself.
const config = join(folder, 'commands.yaml');
copyFileSync(join(ROOT, 'config.example.yaml'), config);
const socket = join(dataDir, 'malla.sock');
const malla = await MallaProcess.create(folder, dataDir, {
  MALLA_UNIX_SOCKET: socket,
  // Its ports may be another server's.
  MALLA_DERP_SERVER_LISTEN_ADDR: '127.0.0.1:0',
  MALLA_DERP_SERVER_STUN_LISTEN_ADDR: '127.0.0.1:0',
});
try {
  await malla.start();
  const client = createClient(socketTransport({ path: socket, timeoutMs: 10_000 }));
  for (let i = 0; i < USERS; i++) await client.createUser({ name: `user${i}` });
  for (const argv of COMMANDS) {
    report.addFields(argv.join(' '), await measure(argv), { wall_s: 0.1, rss_mb: 60 });
  }
  report.finish();
} finally {
  await malla.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(argv: readonly string[]): Promise<Readonly<Record<string, number>>> {
  await run(argv); // fills the cache of compiled code
  const walls: number[] = [];
  const usages: Usage[] = [];
  for (let i = 0; i < runs; i++) {
    const began = performance.now();
    await run(argv);
    walls.push(performance.now() - began);
    usages.push(await usageOf(argv));
  }
  return {
    wall_s: seconds(Math.min(...walls)),
    cpu_s: seconds(
      Math.min(...usages.map((usage) => (usage.userCPUTime + usage.systemCPUTime) / 1_000)),
    ),
    rss_mb: Math.round(Math.min(...usages.map(({ maxRSS }) => maxRSS)) / 102.4) / 10,
  };
}

async function run(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn(join(ROOT, 'bin', 'malla'), argv, {
    env: { ...process.env, MALLA_CONFIG: config, MALLA_UNIX_SOCKET: socket, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  let told = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`malla ${argv.join(' ')} exits with ${code}`);
  return told;
}

async function usageOf(argv: readonly string[]): Promise<Usage> {
  const hook = `data:text/javascript,${encodeURIComponent(USAGE)}`;
  return JSON.parse(await run(argv, { NODE_OPTIONS: `--import=${hook}` })) as Usage;
}

function seconds(ms: number): number {
  return Math.round(ms) / 1_000;
}
