/**
 * Reading foreign JSON leniently: a field of the wrong type counts as absent, because clients of many
 * versions send these messages and a single odd field must not lock one out. What is read here may be
 * copied into what other clients decode, and their decoders are strict: so text comes out well-formed,
 * numbers and times within what a Go client can read.
 */
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { ZERO_TIME } from '@malla/base/zero-time';

export type JsonObject = { readonly [field: string]: unknown };

/** Deepest nesting that is read; real messages have 5. Deeper ones exhaust the stack of what walks them. */
export const MAX_DEPTH = 32;
/**
 * Values that one message may have; real ones have a few hundred, and a router with all the routes that
 * it may announce two thousand. Parsed, a value takes up to fifty times the memory of its text.
 */
export const MAX_VALUES = 16_384;

/** `too-many-values`: more than the reader takes, {@link MAX_VALUES} of most. */
export type JsonFault = 'not-json-object' | 'too-many-values';

/** Parses a JSON object nested at most {@link MAX_DEPTH} deep. Never throws. */
export function parseObject(
  bytes: Uint8Array,
  maxValues: number = MAX_VALUES,
): Result<JsonObject, JsonFault> {
  return parseObjectText(fromUtf8(bytes), maxValues);
}

/** The same for JSON that is text already. */
export function parseObjectText(
  text: string,
  maxValues: number = MAX_VALUES,
): Result<JsonObject, JsonFault> {
  // Of short text whose values are few, it costs less to look at what came of it.
  const isLong = text.length >= LONG_CHARS;
  const fault = isLong ? faultOf(text, maxValues) : undefined;
  if (fault !== undefined) return fail(fault);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail('not-json-object');
  }
  if (!isObject(value) || (!isLong && isDeeper(value, MAX_DEPTH))) return fail('not-json-object');
  return ok(value);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string of at most `maxLength` UTF-16 units; otherwise the empty string. */
export function stringOf(value: unknown, maxLength = 1024): string {
  return typeof value === 'string' && value.length <= maxLength ? value : '';
}

/** Most text there is. */
const PLAIN = /^[ -~]*$/;

/** Controls, breaks of lines, and what turns the direction of the text behind it (Unicode TR 36 §2.6). */
const UNSHOWN = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text that other people's screens will show: one line of well-formed Unicode without control characters,
 * cut to `maxLength` UTF-16 units. Nor has it those that turn the direction of what stands behind it, on a
 * page or in a list of peers. The empty string for what is no string.
 */
export function lineOf(value: unknown, maxLength: number): string {
  if (typeof value !== 'string') return '';
  if (value.length <= maxLength && PLAIN.test(value)) return value;
  const line = value.replaceAll(UNSHOWN, '');
  if (line.length <= maxLength) return line.toWellFormed();
  // A copy: a mere slice would keep the whole text in memory for as long as its beginning is kept.
  return fromUtf8(utf8(line.slice(0, maxLength)));
}

/** An integer from 0 to 65535; otherwise undefined. Ports, regions and versions are such. */
export function uint16Of(value: unknown): number | undefined {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0;
  return fits && value <= 0xffff ? value : undefined;
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

/** RFC 3339 §5.6 with a year of four digits, as Go writes it. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Unix ms of an RFC 3339 time; undefined for Go's zero time `0001-01-01T00:00:00Z`, and for what is no
 * time at all.
 */
export function timeOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || !TIME.test(value) || value.startsWith('0001-01-01')) {
    return undefined;
  }
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Whether it is an RFC 3339 time that there is, or Go's zero time. */
export function isTime(value: unknown): value is string {
  return value === ZERO_TIME || timeOf(value) !== undefined;
}

/** The first and the last second that RFC 3339 can say and that is not {@link ZERO_TIME}. */
const FIRST_TIME = Date.parse('0001-01-01T00:00:01Z');
const LAST_TIME = Date.parse('9999-12-31T23:59:59Z');

/**
 * RFC 3339 of Unix ms; Go's zero time for undefined. A time beyond the years that RFC 3339 has becomes
 * the nearest within: Go refuses a message with any other in it.
 */
export function formatTime(ms: number | undefined): string {
  if (ms === undefined) return ZERO_TIME;
  return new Date(Math.min(Math.max(ms, FIRST_TIME), LAST_TIME)).toISOString();
}

/** From this length on text is looked through before it is parsed. */
const LONG_CHARS = 8 * 1024;
const Code = {
  quote: 0x22,
  comma: 0x2c,
  bracket: 0x5b,
  backslash: 0x5c,
  endBracket: 0x5d,
  brace: 0x7b,
  endBrace: 0x7d,
} as const;

/**
 * What is wrong with JSON that is nested too deeply or has too many values, without parsing it: each
 * value but the first of its list follows a comma.
 */
function faultOf(text: string, maxValues: number): JsonFault | undefined {
  let values = 1;
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isInString) {
      if (code === Code.backslash) i++;
      else if (code === Code.quote) isInString = false;
    } else if (code === Code.quote) isInString = true;
    else if (code === Code.comma) values++;
    else if (code === Code.brace || code === Code.bracket) {
      values++;
      if (++depth > MAX_DEPTH) return 'not-json-object';
    } else if (code === Code.endBrace || code === Code.endBracket) depth--;
    if (values > maxValues) return 'too-many-values';
  }
  return undefined;
}

function isDeeper(value: object, limit: number): boolean {
  if (limit === 0) return true;
  for (const name in value) {
    const inner: unknown = (value as Record<string, unknown>)[name];
    if (typeof inner === 'object' && inner !== null && isDeeper(inner, limit - 1)) return true;
  }
  return false;
}
