/**
 * Two commits measured side by side in one run: each in a work tree of its own with its own dependencies,
 * turn by turn (A B A B), so that a slow spell of the machine meets both. Prints the ratio of the medians.
 *
 *     node bench/compare.ts A [B] [--bench http2,policy,native] [--rounds 3] [--seconds 600]
 *
 * Without B the working tree as it is. Only benches that both commits have are run; one that says that it
 * lacks something is left out. `--seconds`: no run begins or goes on after that. Both run on the Node that runs this.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Comparison, compareRuns, figuresOf, WORSE } from './comparison.ts';
import { alignedTable, bench, ROOT, rounded, skip } from './report.ts';

/** Those that measure in their own process and take seconds. */
const CHEAP = 'http2,policy,native';

const { values, positionals, report } = bench(import.meta.filename, {
  bench: { type: 'string', default: CHEAP },
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '600' },
});
const endsAt = performance.now() + Number(values.seconds) * 1000;
const [a, b] = positionals;
if (a === undefined) {
  console.error('name a commit; see --help');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'malla-compare-'));
const trees: string[] = [];
process.once('exit', removeTrees);
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const sides = [treeOf(a), b === undefined ? ROOT : treeOf(b)] as const;
const names = [a, b ?? 'the working tree'] as const;
const both: Comparison[] = [];
for (const name of values.bench.split(',')) {
  const file = join('bench', `${name}.ts`);
  if (!sides.every((side) => existsSync(join(side, file)))) {
    console.log(`${name}: not in both commits`);
    continue;
  }
  const runs: [ReturnType<typeof figuresOf>[], ReturnType<typeof figuresOf>[]] = [[], []];
  for (let round = 0; round < Number(values.rounds); round++) {
    const pair = sides.map((side) => run(side, name));
    const [first, second] = pair;
    if (first === undefined || second === undefined) break;
    runs[0].push(first);
    runs[1].push(second);
  }
  const compared = compareRuns(name, ...runs);
  if (compared.length === 0)
    console.log(`${name}: no figure of both commits in the time there was`);
  both.push(...compared);
}
if (both.length > 0) {
  const head = ['', `A: ${names[0].slice(0, 16)}`, `B: ${names[1].slice(0, 16)}`, 'B / A', ''];
  const rows = both.map(({ name, unit, a: before, b: after, ratio, isWorse }) => [
    name,
    `${rounded(before)} ${unit}`,
    `${rounded(after)} ${unit}`,
    ratio.toFixed(2),
    isWorse ? `WARNING: ${WORSE * 100} % worse, or more` : '',
  ]);
  console.log(alignedTable([head, ...rows]));
  for (const { name, ratio } of both) report.add(`${name}, B / A`, 'ratio', ratio);
}
report.finish({ isQuiet: true });

/** A work tree of a commit, with its dependencies. */
function treeOf(commit: string): string {
  const found = git('cat-file', '-e', `${commit}^{commit}`);
  if (found.status !== 0) {
    const why = (found.error?.message ?? found.stderr.trim()).split('\n')[0] ?? '';
    skip(`there is no commit ${commit} here, as in a shallow clone: ${why}`);
  }
  const tree = join(folder, `tree${trees.length}`);
  const added = git('worktree', 'add', '--detach', '--quiet', tree, commit);
  if (added.status !== 0) skip(`git makes no work tree: ${added.stderr.trim()}`);
  trees.push(tree);
  const why = installed(tree);
  if (why !== undefined) skip(`the dependencies of ${commit} cannot be installed: ${why}`);
  return tree;
}

/** Installs what a work tree needs to run; why that cannot be. */
function installed(tree: string): string | undefined {
  let why = '';
  // A lock file that a later npm finds incomplete is no reason to compare nothing.
  for (const [command, ...more] of [['ci'], ['install', '--no-save']] as const) {
    const { status, signal, error, stderr } = spawnSync(
      'npm',
      [command, ...more, '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'],
      { cwd: tree, encoding: 'utf8', timeout: leftMs() },
    );
    if (status === 0) return undefined;
    why = error?.message ?? signal ?? stderr.trim().split('\n')[0] ?? '';
  }
  return why;
}

/** One run of a bench; undefined: it could not, or the time is over. */
function run(tree: string, name: string): ReturnType<typeof figuresOf> | undefined {
  if (leftMs() <= 1) return undefined;
  const json = join(folder, 'figures.json');
  rmSync(json, { force: true });
  // Those of before this file was there print JSON.
  const asked = existsSync(join(tree, 'bench', 'report.ts')) ? ['--json', json] : [];
  const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
  const { status, stdout, stderr, signal } = spawnSync(
    process.execPath,
    [...flags, join('bench', `${name}.ts`), ...asked],
    { cwd: tree, encoding: 'utf8', timeout: leftMs(), maxBuffer: 1 << 26 },
  );
  if (signal !== null) return undefined;
  if (status !== 0) {
    console.log(`${name}: fails in ${tree === ROOT ? 'the working tree' : a}: ${stderr.trim()}`);
    return undefined;
  }
  const written = asked.length === 0 ? stdout : existsSync(json) ? readFileSync(json, 'utf8') : '';
  return written === '' ? undefined : figuresOf(JSON.parse(written));
}

function leftMs(): number {
  return Math.max(1, Math.round(endsAt - performance.now()));
}

function git(...args: readonly string[]): ReturnType<typeof spawnSync> & {
  readonly stderr: string;
} {
  return spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
}

function removeTrees(): void {
  for (const tree of trees) git('worktree', 'remove', '--force', tree);
  rmSync(folder, { recursive: true, force: true });
}
