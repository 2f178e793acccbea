/**
 * How every benchmark is asked and answers: `--help`, `--json FILE`, a table, and one shape of JSON for all,
 * so that two runs can be compared by a program (`bench/compare.ts`).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** The repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** One thing that was measured. */
export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** The median of the samples. */
  readonly value: number;
  readonly samples: readonly number[];
  /** What the project asks of itself; absent: nothing. */
  readonly goal?: number;
}

/** What a benchmark writes. */
export interface Report {
  readonly bench: string;
  /** Hash of the commit; `+` behind it: with changes that are in none. */
  readonly commit: string;
  /** Version of Node. */
  readonly node: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryMb: number };
  readonly measurements: readonly Measurement[];
}

/** How a benchmark was asked to run. */
export interface Asked<Options extends ParseArgsOptionsConfig> {
  readonly values: ReturnType<typeof parseArgs<{ options: Options }>>['values'];
  readonly positionals: readonly string[];
  readonly report: BenchReport;
}

/**
 * Reads the arguments of the benchmark in `file`. With `--help` it prints the docstring of that file and ends
 * the process, and so it does, saying what is wrong, with arguments that it does not have.
 */
export function bench<const Options extends ParseArgsOptionsConfig>(
  file: string,
  options: Options,
): Asked<Options> {
  const name = file.replace(/^.*\//, '').replace(/\.ts$/, '');
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { ...options, help: { type: 'boolean' }, json: { type: 'string' } },
    });
    const { help, json } = values as { readonly help?: boolean; readonly json?: string };
    if (help === true) {
      console.log(`${docstringOf(readFileSync(file, 'utf8'))}\n\n${COMMON_OPTIONS}`);
      process.exit(0);
    }
    const report = new BenchReport(name, json);
    return { values, positionals, report };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}; see --help`);
    return process.exit(2);
  }
}

const COMMON_OPTIONS = `    --json FILE  write the figures there as well: name, unit, value (median), samples,
                 with commit, Node and machine
    --help       this text`;

/** Says what a benchmark cannot do without and ends the process; no figure is no fault. */
export function skip(reason: string): never {
  console.error(`skipped: ${reason}`);
  process.exit(0);
}

/** Whether a program is installed. */
export function hasProgram(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).error === undefined;
}

/** The text of a module's docstring. */
export function docstringOf(source: string): string {
  const [, body = ''] = /\/\*\*(.*?)\*\//s.exec(source) ?? [];
  return body.replaceAll(/^ *\* ?/gm, '').trim();
}

/** The unit that the end of a field's name says, such as `rss_peak_mb` or `bytesPerNode`; empty: a count. */
export function unitOf(field: string): string {
  for (const [end, unit] of UNITS) if (end.test(field)) return unit;
  return '';
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/PerSecond$|perSecond$|_pps$/, '/s'],
  [/_ms(_|$)|Ms$/, 'ms'],
  [/_us(_|$)|[mM]icroseconds/, 'µs'],
  [/_kb(_|$)/, 'KB'],
  [/_mb$/, 'MB'],
  [/[bB]ytes/, 'B'],
  [/_percent$/, '%'],
  [/_s$/, 's'],
];

/** The middle one, or of an even number the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new Error('the median of nothing');
  return (low + high) / 2;
}

/** Gathers what a benchmark measures. */
export class BenchReport {
  readonly #bench: string;
  readonly #json: string | undefined;
  readonly #samples = new Map<string, { unit: string; samples: number[]; goal?: number }>();

  constructor(name: string, json: string | undefined) {
    this.#bench = name;
    this.#json = json;
  }

  /** Another sample of something. */
  add(name: string, unit: string, sample: number, goal?: number): void {
    const known = this.#samples.get(name);
    if (known !== undefined) known.samples.push(sample);
    else {
      this.#samples.set(name, { unit, samples: [sample], ...(goal === undefined ? {} : { goal }) });
    }
  }

  /** Every number of an object, by the unit that its field's name says. */
  addFields(prefix: string, fields: object, goals: Readonly<Record<string, number>> = {}): void {
    for (const [field, value] of Object.entries(fields)) {
      const name = prefix === '' ? field : `${prefix}, ${field}`;
      if (typeof value === 'number') this.add(name, unitOf(field), value, goals[field]);
      else if (typeof value === 'object' && value !== null) this.addFields(name, value, goals);
    }
  }

  /** Prints the table, unless that was done, and writes the file that was asked for. */
  finish({ isQuiet = false }: { readonly isQuiet?: boolean } = {}): void {
    const measurements = [...this.#samples].map(([name, { samples, ...rest }]) => ({
      name,
      value: median(samples),
      samples,
      ...rest,
    }));
    if (!isQuiet) console.log(tableOf(measurements));
    if (this.#json === undefined) return;
    const report: Report = {
      bench: this.#bench,
      commit: commitOf(ROOT),
      node: process.version,
      machine: {
        cpu: cpus()[0]?.model.trim() ?? 'unknown',
        cores: cpus().length,
        memoryMb: Math.round(totalmem() / 1e6),
      },
      measurements,
    };
    writeFileSync(this.#json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
}

/** The commit of a work tree; `unknown` where there is no history. */
export function commitOf(folder: string): string {
  const git = (...args: readonly string[]): string | undefined => {
    const { status, stdout } = spawnSync('git', ['-C', folder, ...args], { encoding: 'utf8' });
    return status === 0 ? stdout.trim() : undefined;
  };
  const hash = git('rev-parse', 'HEAD');
  if (hash === undefined) return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? hash : `${hash}+`;
}

/** Figures for people: three digits, and the least and the most where there are several. */
function tableOf(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ name, unit, value, samples, goal }) => [
    name,
    `${rounded(value)} ${unit}`,
    samples.length === 1
      ? ''
      : `${rounded(Math.min(...samples))} to ${rounded(Math.max(...samples))}`,
    goal === undefined ? '' : `goal ${goal}`,
  ]);
  return alignedTable(rows);
}

/** Rows with their columns below each other. */
export function alignedTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A figure for people, of three digits. */
export function rounded(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
