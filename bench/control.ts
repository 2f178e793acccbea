/**
 * The control server measured from outside: starts `malla serve` in a process of its own, points the
 * load generator at it (official client packages in Go), and prints the medians of its figures with the
 * goals beside them.
 *
 *     node bench/control.ts [--nodes 1000] [--runs 3] [--policy] [--loadgen PATH] [--strict]
 *
 * `--policy` puts a policy of 100 rules and autogroup:self in force. 5,000 nodes take 16 GB for the
 * load generator's own copies of 5,000 maps, and three minutes.
 *
 * The load generator is not part of this repository: `../shared/tools/loadgen`, or a binary by
 * `--loadgen`. It shares the machine's cores with the server, so times to the last peer hold both.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MallaProcess } from './malla-process.ts';
import { bench, hasProgram, ROOT, skip } from './report.ts';

/** Goals by number of nodes and the load generator's field. */
const GOALS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  1000: {
    register_cpu_ms_per_node: 1,
    full_mesh_s: 5,
    settled_cpu_s: 0.8,
    rss_kb_per_node: 40,
    rss_peak_mb: 135,
    propagate_last_median_ms: 25,
    propagate_lost: 0,
    broken_streams: 0,
  },
  5000: {
    settled_cpu_s: 8,
    rss_peak_mb: 220,
    propagate_last_median_ms: 120,
    propagate_lost: 0,
    broken_streams: 0,
  },
};

const { values, report } = bench(import.meta.filename, {
  nodes: { type: 'string', default: '1000' },
  runs: { type: 'string', default: '1' },
  policy: { type: 'boolean', default: false },
  loadgen: { type: 'string' },
  strict: { type: 'boolean', default: false },
});
const source = join(ROOT, '..', 'shared', 'tools', 'loadgen');
if (values.loadgen === undefined && !existsSync(source)) {
  skip(`there is no load generator at ${source}; name one with --loadgen`);
}
if (values.loadgen === undefined && !hasProgram('go', 'version')) {
  skip(
    'the load generator is built with Go, which is not installed; name a built one with --loadgen',
  );
}

const folder = mkdtempSync(join(tmpdir(), 'malla-bench-'));
try {
  const loadgen = values.loadgen ?? buildLoadgen();
  for (let i = 0; i < Number(values.runs); i++) {
    report.addFields('', await measure(loadgen, i), GOALS[values.nodes]);
  }
  report.finish();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Builds the load generator outside the repository. */
function buildLoadgen(): string {
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
  const policyPath = join(folder, 'policy.hujson');
  if (values.policy) writeFileSync(policyPath, policyOfManyRules());
  const env = values.policy ? { MALLA_POLICY_PATH: policyPath } : {};
  const malla = await MallaProcess.create(folder, join(folder, `data${run}`), env);
  try {
    await malla.start();
    const key = malla.reusableKey();
    const args = ['-url', malla.url, '-authkey', key, '-n', values.nodes, '-pid', `${malla.pid}`];
    if (values.strict) args.push('-strict');
    return await runLoadgen(loadgen, args);
  } finally {
    await malla.stop();
  }
}

async function runLoadgen(
  program: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  // What it keeps of thousands of maps fits into memory only if it does not wait long to collect.
  const env = { GOGC: '20', GOMEMLIMIT: '20GiB', ...process.env };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0) throw new Error(`the load generator ended with ${signal ?? code}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/** 99 rules between groups, tags and hosts, and one for the devices of each user. */
function policyOfManyRules(): string {
  const rules: unknown[] = [
    { action: 'accept', src: ['autogroup:member'], dst: ['autogroup:self:*'] },
  ];
  const groups: Record<string, string[]> = {};
  const tagOwners: Record<string, string[]> = {};
  const hosts: Record<string, string> = {};
  for (let i = 1; rules.length < 100; i++) {
    groups[`group:team${i}`] = [`user${i}@`, ...(i % 4 === 0 ? ['bench@'] : [])];
    tagOwners[`tag:service${i}`] = [`group:team${i}`];
    hosts[`host${i}`] = `10.${i}.0.0/16`;
    rules.push(
      { action: 'accept', src: [`group:team${i}`], dst: [`tag:service${i}:22,443`] },
      { action: 'accept', src: [`tag:service${i}`], dst: [`host${i}:*`] },
      { action: 'accept', proto: 'udp', src: ['autogroup:member'], dst: [`tag:service${i}:53`] },
    );
  }
  return JSON.stringify({ groups, tagOwners, hosts, acls: rules.slice(0, 100) }, undefined, 2);
}
