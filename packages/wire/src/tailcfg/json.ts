/**
 * Reading foreign JSON leniently: a field of the wrong type counts as absent, because clients of many
 * versions send these messages and a single odd field must not lock one out.
 */
import { fromUtf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';

export type JsonObject = { readonly [field: string]: unknown };

/** Parses a JSON object. Never throws. */
export function parseObject(bytes: Uint8Array): Result<JsonObject, 'not-json-object'> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    return fail('not-json-object');
  }
  return isObject(value) ? ok(value) : fail('not-json-object');
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string of at most `maxLength` UTF-16 units; otherwise the empty string. */
export function stringOf(value: unknown, maxLength = 1024): string {
  return typeof value === 'string' && value.length <= maxLength ? value : '';
}

/** A safe integer of at least `min`; otherwise `otherwise`. */
export function integerOf(value: unknown, otherwise = 0, min = 0): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min
    ? value
    : otherwise;
}

/** The strings of an array, at most `maxItems`, each of at most `maxLength`. */
export function stringsOf(value: unknown, maxItems: number, maxLength = 1024): readonly string[] {
  if (!Array.isArray(value)) return [];
  const out: string[] = [];
  for (const item of value as unknown[]) {
    if (out.length === maxItems) break;
    if (typeof item === 'string' && item.length <= maxLength) out.push(item);
  }
  return out;
}

/**
 * Unix ms of an RFC 3339 time; undefined for Go's zero time `0001-01-01T00:00:00Z`, and for what is no
 * time at all.
 */
export function timeOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || value.length > 40 || value.startsWith('0001-01-01')) {
    return undefined;
  }
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Go's zero time, which stands for "never". */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** RFC 3339 of Unix ms; Go's zero time for undefined. */
export function formatTime(ms: number | undefined): string {
  return ms === undefined ? ZERO_TIME : new Date(ms).toISOString();
}
