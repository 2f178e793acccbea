/**
 * `npm test`: types, lint, format, then unit tests, those of packages on Node 22, system, interop and container tests, in that order, stopping at
 * the first step that fails. After each suite it says how long that took, with the files that took longest. The last
 * line is always `N passed, N failed, N skipped`, over all runs of the test runner.
 *
 *     bin/node scripts/test.ts [--only unit|node-22|system|interop|containers] [--no-interop]
 *
 * A test that lacks a tool skips with the reason `needs <tool>`. Where `CI=true`, every tool is meant to be
 * installed, so such a skip is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ENGINE_TOOLS } from '../tests/containers/engine.ts';
import { LAB_TOOLS, skipWithout } from '../tests/interop/needs.ts';
import { buildAll } from '../tests/interop/official-binaries.ts';
import { rustPeer } from '../tests/interop/rust-peer.ts';
import { node22, NOT_ON_NODE_22 } from './node-22.ts';
import { traefikBinary } from '../tests/interop/traefik.ts';
import type { FileTime, TestCounts } from './test-counts.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');
const SUITES = ['unit', 'node-22', 'system', 'interop', 'containers'] as const;
type Suite = (typeof SUITES)[number];

const CHECKS = [
  ['tsc', '--noEmit'],
  ['oxlint', '--type-aware'],
  ['oxfmt', '--check'],
] as const;

/** How many files of a suite are named with the time that they took. */
const SLOWEST = 20;
/** Ends a file that hangs, ms. The longest runs all of this in a container. */
const FILE_TIMEOUT_MS = 1_200_000;

const RUNS: Record<
  Suite,
  { readonly flags: readonly string[]; readonly globs: readonly string[] }
> = {
  unit: {
    flags: ['--test-randomize'],
    globs: [
      'packages/**/*.test.ts',
      'apps/**/*.test.ts',
      'tests/*.test.ts',
      'bench/*.test.ts',
      'tests/guides/reader/*.test.ts',
    ],
  },
  // Again: what they test runs there and in browsers unchanged (decision 28).
  'node-22': { flags: [], globs: ['packages/**/*.test.ts'] },
  system: { flags: ['--test-concurrency=1'], globs: ['tests/system/**/*.test.ts'] },
  // Each lab is a world of its own, and most of a file's time is waiting.
  interop: {
    flags: ['--test-concurrency=2'],
    globs: ['tests/interop/*.test.ts', 'tests/guides/*.test.ts'],
  },
  // Images and a whole `npm test` inside one: more at a time would only wait for the processor.
  containers: { flags: ['--test-concurrency=1'], globs: ['tests/containers/*.test.ts'] },
};

const total = { passed: 0, failed: 0, skipped: 0 };
const finished = main();
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = finished && total.failed === 0 ? 0 : 1;

/** Runs what was asked for. False when a step failed. */
function main(): boolean {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, 'no-interop': { type: 'boolean', default: false } },
  });
  const only = SUITES.find((suite) => suite === values.only);
  if (values.only !== undefined && only === undefined) {
    console.error(`--only ${values.only}: expected one of ${SUITES.join(', ')}`);
    return false;
  }
  const suites = only === undefined ? SUITES : [only];
  if (only === undefined && !CHECKS.every(check)) return false;
  return suites.every((suite) => (suite === 'interop' && values['no-interop']) || run(suite));
}

function check([tool, ...args]: (typeof CHECKS)[number]): boolean {
  console.log(`> ${tool} ${args.join(' ')}`);
  const command = [join(BIN, tool), ...args];
  const passed = spawnSync(process.execPath, command, { cwd: ROOT, stdio: 'inherit' }).status === 0;
  if (!passed) total.failed++;
  return passed;
}

function run(suite: Suite): boolean {
  const { flags, globs } = RUNS[suite];
  const isOlder = suite === 'node-22';
  const exclude = ['**/node_modules', ...(isOlder ? NOT_ON_NODE_22 : [])];
  const files = globSync(globs, { cwd: ROOT, exclude });
  if (files.length === 0) return true;
  const on = isOlder ? node22() : { node: process.execPath, flags: [] };
  if (on === undefined) {
    const isFault = process.env['CI'] === 'true';
    console.log('1 node-22 suite skipped: needs Node 22');
    if (isFault) total.failed++;
    else total.skipped++;
    return !isFault;
  }
  if (suite === 'interop' && skipWithout(...LAB_TOOLS, 'go') === false) {
    // Before the tests, so that no test's time limit meets a cold compiler cache.
    buildAll();
    if (skipWithout('cargo') === false) rustPeer();
  }
  if (suite === 'containers' && skipWithout(...ENGINE_TOOLS, 'go') === false) traefikBinary();
  console.log(`> ${suite} tests, ${files.length} files`);
  const startedAt = performance.now();
  const { status, counts } = runFiles(on.node, [...on.flags, '--test', ...flags], files);
  const tookMs = performance.now() - startedAt;
  const sumMs = counts.files.reduce((sum, { durationMs }) => sum + durationMs, 0);
  console.log(`> ${suite} tests took ${minutes(tookMs)}, their files ${minutes(sumMs)}:`);
  for (const { file, durationMs } of slowest(counts.files)) {
    console.log(`${minutes(durationMs).padStart(10)} ${relative(ROOT, file)}`);
  }
  const reasons = counts.skipReasons.toSorted((a, b) => a.localeCompare(b));
  for (const reason of new Set(reasons)) {
    const times = reasons.filter((other) => other === reason).length;
    const why = reason === '' ? 'no reason given' : reason;
    console.log(`${times} ${suite} test${times === 1 ? '' : 's'} skipped: ${why}`);
  }
  // What lies beside the repository is no tool that could be installed: recorded answers, load generators.
  const needs = reasons.filter((reason) => /^needs (?!\.\.\/)/.test(reason));
  const unwanted = process.env['CI'] === 'true' ? needs.length : 0;
  // A run that ended in error without a failed test, such as one that was killed, counts as one.
  const failed = Math.max(counts.failed, status === 0 ? 0 : 1) + unwanted;
  total.passed += counts.passed;
  total.failed += failed;
  total.skipped += counts.skipReasons.length - unwanted;
  return failed === 0;
}

function slowest(files: readonly FileTime[]): readonly FileTime[] {
  return files.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST);
}

function minutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} min`;
}

function runFiles(
  node: string,
  flags: readonly string[],
  files: readonly string[],
): { readonly status: number | null; readonly counts: TestCounts } {
  const dir = mkdtempSync(join(tmpdir(), 'malla-test-'));
  const countsFile = join(dir, 'counts.json');
  const reporters = [
    ['--test-reporter=spec', '--test-reporter-destination=stdout'],
    [
      `--test-reporter=${import.meta.resolve('./test-counts.ts')}`,
      `--test-reporter-destination=${countsFile}`,
    ],
  ].flat();
  try {
    const limit = `--test-timeout=${FILE_TIMEOUT_MS}`;
    const args = [...flags, limit, ...reporters, ...files];
    const { status } = spawnSync(node, args, { cwd: ROOT, stdio: 'inherit' });
    const counts = existsSync(countsFile) ? readFileSync(countsFile, 'utf8') : '';
    const none: TestCounts = { passed: 0, failed: 0, skipReasons: [], files: [] };
    return { status, counts: counts === '' ? none : (JSON.parse(counts) as TestCounts) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
