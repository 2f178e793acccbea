/** The arithmetic of `bench/compare.ts`: figures of two sides, run by run, and how much one is worse. */
import { median, type Report } from './report.ts';

/** From which share on a figure counts as worse. */
export const WORSE = 0.2;

/** Figures of one run by name. */
export type Figures = ReadonlyMap<string, { readonly unit: string; readonly value: number }>;

/** One figure of both sides. */
export interface Comparison {
  readonly name: string;
  readonly unit: string;
  /** Medians. */
  readonly a: number;
  readonly b: number;
  readonly ratio: number;
  /** Whether B is worse than A by {@link WORSE} or more. */
  readonly isWorse: boolean;
}

/** What a run wrote: a report, or, of before there was one, any JSON, whose numbers are named by where they stand. */
export function figuresOf(json: unknown): Figures {
  if (isReport(json)) {
    return new Map(json.measurements.map(({ name, unit, value }) => [name, { unit, value }]));
  }
  const figures = new Map<string, { unit: string; value: number }>();
  collect(json, [], figures);
  return figures;
}

/** Compares what both sides have measured in runs of the same bench. */
export function compareRuns(
  bench: string,
  a: readonly Figures[],
  b: readonly Figures[],
): readonly Comparison[] {
  const compared: Comparison[] = [];
  for (const [name, { unit }] of b[0] ?? []) {
    const [before, after] = [a, b].map((runs) => runs.flatMap((run) => run.get(name)?.value ?? []));
    if (before === undefined || after === undefined) continue;
    if (before.length === 0 || after.length === 0) continue;
    const [x, y] = [median(before), median(after)];
    // Of nothing there is no share, and nobody minds it.
    if (x === 0 || y === 0) continue;
    const ratio = y / x;
    // What is counted and not measured is neither better nor worse.
    const isWorse = unit !== '' && (unit.endsWith('/s') ? 1 / ratio : ratio) >= 1 + WORSE;
    compared.push({ name: `${bench}: ${name}`, unit, a: x, b: y, ratio, isWorse });
  }
  return compared;
}

function isReport(json: unknown): json is Report {
  return typeof json === 'object' && json !== null && 'measurements' in json;
}

function collect(
  value: unknown,
  path: readonly string[],
  into: Map<string, { unit: string; value: number }>,
): void {
  if (typeof value === 'number') into.set(path.join(', '), { unit: '', value });
  if (typeof value !== 'object' || value === null) return;
  for (const [key, each] of Object.entries(value)) {
    const label = Array.isArray(value) ? labelOf(each) : key;
    collect(each, label === 'figures' ? path : [...path, label], into);
  }
}

/** What one of a list is called. */
function labelOf(each: unknown): string {
  const named = typeof each === 'object' && each !== null && 'variant' in each ? each.variant : '';
  return typeof named === 'string' ? named : '';
}
