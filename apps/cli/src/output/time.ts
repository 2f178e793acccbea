/** Times for people: `2006-01-02 15:04:05` in the local time zone, as headscale prints them. */
import { ZERO_TIME_MS } from '@malla/base/zero-time';
import type { Cell } from './table.ts';

/** Formats an RFC 3339 timestamp; text that is none comes back as it is. */
export function formatTime(rfc3339: string): string {
  const time = new Date(rfc3339);
  if (Number.isNaN(time.getTime())) return rfc3339;
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}

/** Whether the timestamp is at or before `now` (Unix ms). */
export function isPast(rfc3339: string, now: number): boolean {
  return Date.parse(rfc3339) <= now;
}

/** An expiration: green while it lies ahead, red after, `-` for never, which Go writes as its zero time. */
export function coloredTime(rfc3339: string | null, now: number): Cell {
  if (rfc3339 === null || Date.parse(rfc3339) === ZERO_TIME_MS) return '-';
  return { text: formatTime(rfc3339), color: isPast(rfc3339, now) ? 'red' : 'green' };
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
