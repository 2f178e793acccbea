/**
 * Durations as Go writes them, which is how the language has them: `12h`, `1h30m`, `-1.5s`. Units end at
 * hours. Values are milliseconds, rounded up: what has a length never becomes nothing.
 *
 * Source: Go's time.ParseDuration and Duration.String, whose messages these are.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { quote } from '../reading/problem.ts';

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const MAX_CHARS = 100;
/** Go counts nanoseconds in 64 bits: 292 years. */
const MAX_MS = 2 ** 63 / 1e6;

/** Parses a duration; the failure is Go's message. Never throws. */
export function parseGoDuration(text: string): Result<number, string> {
  const invalid = (what: string): Result<never, string> =>
    fail(`time: ${what} duration ${quote(text)}`);
  let rest = text.replace(/^[-+]/, '');
  if (rest === '0') return ok(0);
  if (rest === '' || rest.length > MAX_CHARS) return invalid('invalid');
  let total = 0;
  while (rest !== '') {
    const match = /^(\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})([^\d.]{0,8})/.exec(rest);
    if (match === null) return invalid('invalid');
    const [all, count, unit = ''] = match;
    if (unit === '') return invalid('missing unit in');
    const unitMs = UNIT_MS.get(unit);
    if (unitMs === undefined) return invalid(`unknown unit ${quote(unit)} in`);
    total += Number(count) * unitMs;
    if (total > MAX_MS) return invalid('invalid');
    rest = rest.slice(all.length);
  }
  const ms = Math.ceil(total);
  return ok(text.startsWith('-') ? -ms : ms);
}

/** Writes milliseconds as Go does: `168h0m1s`, `-1m0s`, `0s`. */
export function formatGoDuration(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const total = Math.abs(ms);
  if (total !== 0 && total < 1_000) return `${sign}${total}ms`;
  const hours = Math.floor(total / 3_600_000);
  const minutes = Math.floor(total / 60_000) % 60;
  const seconds = (total % 60_000) / 1_000;
  const tail = `${seconds}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${tail}`;
  return minutes > 0 ? `${sign}${minutes}m${tail}` : sign + tail;
}
