/**
 * Writes DER, as far as certificates need it: every value is a tag, a length and contents.
 *
 * Source: ITU-T X.690 §8 and §10.
 */
import { concat, utf8 } from '@malla/base/bytes';

const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;
/** A time from this year on has all the digits of its year (RFC 5280 §4.1.2.5). */
const LONG_YEARS = 2050;

/** A SEQUENCE of these. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return value(Tag.sequence, concat(parts));
}

/** A SET of one. */
export function setOf(part: Uint8Array): Uint8Array {
  return value(Tag.set, part);
}

/** `[tag]` around a value. */
export function explicit(tag: number, part: Uint8Array): Uint8Array {
  return value(CONTEXT | CONSTRUCTED | tag, part);
}

/** `[tag]` in the place of a primitive type's own. */
export function implicit(tag: number, contents: Uint8Array): Uint8Array {
  return value(CONTEXT | tag, contents);
}

/** TRUE; what is FALSE by default is left out. */
export function isTrue(): Uint8Array {
  return value(Tag.boolean, Uint8Array.of(0xff));
}

/** An INTEGER that is not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const significant = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const isHigh = (significant[0] ?? 0) >= 0x80;
  return value(Tag.integer, isHigh ? concat([Uint8Array.of(0), significant]) : significant);
}

/** A BIT STRING; `unused` of its last bits are not part of it. */
export function bitString(bytes: Uint8Array, unused = 0): Uint8Array {
  return value(Tag.bitString, concat([Uint8Array.of(unused), bytes]));
}

/** An OCTET STRING. */
export function octetString(bytes: Uint8Array): Uint8Array {
  return value(Tag.octetString, bytes);
}

/** A UTF8String. */
export function utf8String(text: string): Uint8Array {
  return value(Tag.utf8String, utf8(text));
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function objectId(dotted: string): Uint8Array {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const septets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) septets.unshift(0x80 | (left & 0x7f));
    bytes.push(...septets);
  }
  return value(Tag.objectId, Uint8Array.from(bytes));
}

/** A Time, to the second, in the form that its year asks for. */
export function time(date: Date): Uint8Array {
  const digits = `${date.toISOString().replace(/[-:T]|\..*/g, '')}Z`;
  return date.getUTCFullYear() < LONG_YEARS
    ? value(Tag.utcTime, utf8(digits.slice(2)))
    : value(Tag.generalizedTime, utf8(digits));
}

function value(tag: number, contents: Uint8Array): Uint8Array {
  const { length } = contents;
  if (length < 0x80) return concat([Uint8Array.of(tag, length), contents]);
  const bytes: number[] = [];
  for (let left = length; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return concat([Uint8Array.of(tag, 0x80 | bytes.length, ...bytes), contents]);
}
