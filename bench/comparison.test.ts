import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareRuns, figuresOf } from './comparison.ts';
import { median, ROOT } from './report.ts';

/** Programs; the rest of the folder are their parts. */
const BENCHES = [
  'cli',
  'compare',
  'control',
  'endpoints',
  'floods',
  'http2',
  'native',
  'policy',
  'policy-change',
  'policy-preview',
  'relay',
  'restart',
  'store',
];
const PARTS = [
  'comparison',
  'comparison.test',
  'large-tailnet',
  'malla-process',
  'report',
  'tailnet',
];

function run(
  figures: Readonly<Record<string, readonly [number, string]>>,
): ReturnType<typeof figuresOf> {
  const measurements = Object.entries(figures).map(([name, [value, unit]]) => ({
    name,
    unit,
    value,
    samples: [value],
  }));
  return figuresOf({ measurements });
}

test('a median is the middle of an odd number and between two of an even one', () => {
  assert.equal(median([3, 1, 100]), 3);
  assert.equal(median([4, 1, 100, 2]), 3);
  assert.throws(() => median([]));
});

test('what takes a fifth longer is worse, and what takes less is not', () => {
  const ratios = [11.9, 12, 5].map((value) => {
    const [compared] = compareRuns('x', [run({ t: [10, 'ms'] })], [run({ t: [value, 'ms'] })]);
    return [compared?.ratio.toFixed(2), compared?.isWorse];
  });
  assert.deepEqual(ratios, [
    ['1.19', false],
    ['1.20', true],
    ['0.50', false],
  ]);
});

test('of what is so many a second fewer are worse', () => {
  const before = [run({ n: [100, 'packets/s'] })];
  const verdicts = [84, 83, 200].map(
    (value) => compareRuns('x', before, [run({ n: [value, 'packets/s'] })])[0]?.isWorse,
  );
  assert.deepEqual(verdicts, [false, true, false]);
});

test('the ratio is that of the medians, so one slow run of either side does not matter', () => {
  const [a, b] = [
    [10, 900, 10],
    [10, 11, 800],
  ].map((samples) => samples.map((value) => run({ t: [value, 'ms'] })));
  const [compared] = compareRuns('x', a ?? [], b ?? []);
  assert.equal(compared?.ratio, 1.1);
  assert.equal(compared?.isWorse, false);
});

test('only what both have measured is compared, and counts are no verdict', () => {
  const a = run({ both: [1, 'ms'], old: [1, 'ms'], classes: [100, ''], none: [0, 'ms'] });
  const b = run({ both: [1, 'ms'], new: [1, 'ms'], classes: [200, ''], none: [7, 'ms'] });
  const compared = compareRuns('x', [a], [b]);
  assert.deepEqual(
    compared.map(({ name, isWorse }) => [name, isWorse]),
    [
      ['x: both', false],
      ['x: classes', false],
    ],
  );
  assert.deepEqual(compareRuns('x', [], []), []);
});

test('the JSON of releases before reports is read by where numbers stand', () => {
  const policy = figuresOf({ node: 'v26.10.0', classes: 7, figures: { 'one group': 24 } });
  assert.equal(policy.get('one group')?.value, 24);
  assert.equal(policy.get('classes')?.value, 7);
  const http2 = figuresOf([{ variant: 'engine', cpuMicrosecondsPerWrite: 5.6 }]);
  assert.equal(http2.get('engine, cpuMicrosecondsPerWrite')?.value, 5.6);
  const native = figuresOf({ unit: 'µs', figures: { 'seal 100 B': { ffi: 2 } } });
  assert.equal(native.get('seal 100 B, ffi')?.value, 2);
});

test('a benchmark takes no argument that it does not have', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'bench', 'compare.ts'), '--frobnicate'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 2);
  assert.match(stderr, /'--frobnicate'.*see --help/);
});

test('every benchmark says how it is used', () => {
  const files = globSync('*.ts', { cwd: join(ROOT, 'bench') }).map((file) =>
    file.replace(/\.ts$/, ''),
  );
  assert.deepEqual(files.toSorted(), [...BENCHES, ...PARTS].toSorted());
  for (const name of BENCHES) {
    const call = (argument: string): ReturnType<typeof spawnSync> =>
      spawnSync(process.execPath, [join(ROOT, 'bench', `${name}.ts`), argument], {
        encoding: 'utf8',
      });
    const help = call('--help');
    assert.equal(help.status, 0, `${name} --help: ${String(help.stderr)}`);
    assert.match(String(help.stdout), new RegExp(`node (--[-=\\w]+ )*bench/${name}\\.ts`));
    assert.match(String(help.stdout), /--json FILE/);
  }
});
