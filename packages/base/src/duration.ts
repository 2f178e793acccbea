/**
 * Durations as people write them in the configuration and on the command line: Prometheus style, as
 * headscale accepts them (`90d`, `1h30m`, `0`). The value is always milliseconds.
 */
import { fail, ok, type Result } from './result.ts';

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** Parses `1h30m`, `90d`, `1.5h` or `0` into milliseconds. Order and repetition of units are free. */
export function parseDuration(text: string): Result<number, 'not-a-duration'> {
  const trimmed = text.trim();
  if (trimmed === '0') return ok(0);
  let rest = trimmed;
  let total = 0;
  while (rest !== '') {
    const match = /^(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d|w|y)/.exec(rest);
    if (match === null) return fail('not-a-duration');
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
    rest = rest.slice(match[0].length);
  }
  if (trimmed === '' || !Number.isSafeInteger(Math.round(total))) return fail('not-a-duration');
  return ok(Math.round(total));
}

/** Writes milliseconds in the largest units that hold it exactly: `1h30m`, `90d`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = Math.abs(ms);
  let out = ms < 0 ? '-' : '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = UNIT_MS[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) out += `${count}${unit}`;
    rest -= count * size;
  }
  return out;
}
