/**
 * Reading foreign JSON by the shape of a type: every field has a reader, and what a reader cannot read is
 * left out and named, so that one wrong value costs no more than itself. Unknown fields are of the future
 * and are dropped; null is as good as absent, as it is in Go.
 *
 * A list leaves out its wrong items. Where what is left would mean more than was said (a rule without the
 * protocols that it was for), {@link whole} leaves out all.
 */
import { formatPrefix, parsePrefix } from '@malla/ip/prefix';
import { parseAddress, formatAddress } from '@malla/ip/address';
import { type KeyOf, type KeyPrefix, parseKey } from '@malla/keys/key';
import { isObject, isTime } from './json.ts';

/** A flood of faults says no more than the first hundred. */
export const MAX_FAULTS = 100;

/** Where a reader is in a message, and what it found wrong. */
export class Trail {
  /** Place and problem, as in `Peers[3].Key: expected a nodekey`; at most {@link MAX_FAULTS}. */
  readonly faults: string[] = [];
  readonly #place: (string | number)[] = [];
  #count = 0;

  /** All faults so far, those that are not listed too. */
  get count(): number {
    return this.#count;
  }

  enter(name: string | number): void {
    this.#place.push(name);
  }

  leave(): void {
    this.#place.pop();
  }

  /** Notes what is wrong here. Returns undefined, which is what its reader read. */
  fault(problem: string): undefined {
    this.#count++;
    if (this.faults.length >= MAX_FAULTS) return undefined;
    let place = '';
    for (const name of this.#place) {
      place +=
        typeof name === 'number' ? `[${name}]` : `${place === '' ? '' : '.'}${excerpt(name)}`;
    }
    this.faults.push(place === '' ? problem : `${place}: ${problem}`);
    return undefined;
  }
}

/** Reads one value that is there; undefined where it cannot, and the trail knows why. Never throws. */
export type Reader<T> = (value: unknown, trail: Trail) => T | undefined;

/** A reader for each field of a type. */
export type Fields<T> = { readonly [K in keyof T]-?: Reader<T[K] & {}> };

/** Objects with these fields. One that lacks a required field, or has it wrong, is left out. */
export function shape<T extends object>(
  fields: Fields<T>,
  required: readonly (keyof T & string)[] = [],
): Reader<T> {
  const readers = new Map(Object.entries<Reader<unknown>>(fields as never));
  return (value, trail) => {
    if (!isObject(value)) return trail.fault('expected an object');
    const out: Record<string, unknown> = {};
    for (const name in value) {
      const reader = readers.get(name);
      const given = value[name];
      if (reader === undefined || given === null) continue;
      trail.enter(name);
      const field = reader(given, trail);
      trail.leave();
      if (field !== undefined) out[name] = field;
    }
    for (const name of required) {
      if (out[name] === undefined) return trail.fault(`lacks ${name}`);
    }
    return out as T;
  };
}

/** Lists, without the items that cannot be read. */
export function list<T>(item: Reader<T>, maxItems: number): Reader<readonly T[]> {
  return (value, trail) => {
    if (!Array.isArray(value)) return trail.fault('expected a list');
    if (value.length > maxItems) return trail.fault(`more than ${maxItems}`);
    const out: T[] = [];
    for (const [i, given] of (value as unknown[]).entries()) {
      trail.enter(i);
      const read = item(given, trail);
      trail.leave();
      if (read !== undefined) out.push(read);
    }
    return out;
  };
}

/** Objects with names of their own, without the entries that cannot be read or are null. */
export function record<T>(
  item: Reader<T>,
  maxEntries: number,
): Reader<{ readonly [name: string]: T }> {
  return recordOf(item, maxEntries, false);
}

/** The same where null means something. */
export function recordWithNulls<T>(
  item: Reader<T>,
  maxEntries: number,
): Reader<{ readonly [name: string]: T | null }> {
  return recordOf<T | null>(item, maxEntries, true);
}

function recordOf<T>(
  item: Reader<T>,
  maxEntries: number,
  keepsNull: boolean,
): Reader<{ readonly [name: string]: T }> {
  return (value, trail) => {
    if (!isObject(value)) return trail.fault('expected an object');
    const names = Object.keys(value);
    if (names.length > maxEntries) return trail.fault(`more than ${maxEntries}`);
    const out: [string, T][] = [];
    for (const name of names) {
      const given = value[name];
      if (given === null) {
        if (keepsNull) out.push([name, null as T]);
        continue;
      }
      trail.enter(name);
      const read = item(given, trail);
      trail.leave();
      if (read !== undefined) out.push([name, read]);
    }
    // Also where a name is `__proto__`.
    return Object.fromEntries(out);
  };
}

/** What the reader reads without any fault; with one, `otherwise`. */
export function whole<T>(reader: Reader<T>, otherwise?: T): Reader<T> {
  return (value, trail) => {
    const before = trail.count;
    const read = reader(value, trail);
    return trail.count === before ? read : otherwise;
  };
}

/** Strings of at most that many UTF-16 units. */
export function text(maxLength = 1024): Reader<string> {
  return (value, trail) =>
    typeof value === 'string' && value.length <= maxLength
      ? value
      : trail.fault(`expected text of at most ${maxLength} characters`);
}

/** One of a closed set of words. */
export function word<T extends string>(words: readonly T[]): Reader<T> {
  return (value, trail) =>
    words.find((known) => known === value) ?? trail.fault(`expected one of ${words.join(', ')}`);
}

export const flag: Reader<boolean> = (value, trail) =>
  typeof value === 'boolean' ? value : trail.fault('expected true or false');

export const number: Reader<number> = (value, trail) =>
  typeof value === 'number' && Number.isFinite(value)
    ? // JSON has no negative zero that survives being written.
      value + 0
    : trail.fault('expected a number');

/** Whole numbers from `min` to `max`, at most 2^53 - 1. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, trail) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? value + 0
      : trail.fault(`expected a whole number from ${min} to ${max}`);
}

/** RFC 3339, as it was written; Go's zero time too. */
export const time: Reader<string> = (value, trail) =>
  isTime(value) ? value : trail.fault('expected a time of RFC 3339');

/** Keys of a kind, in lower case. */
export function key<P extends KeyPrefix>(prefix: P): Reader<KeyOf<P>> {
  return (value, trail) => {
    const parsed = parseKey(prefix, value);
    return parsed.ok ? parsed.value : trail.fault(`expected a ${prefix}`);
  };
}

/** A masked prefix, in its canonical text. */
export const prefix: Reader<string> = (value, trail) => {
  const parsed = typeof value === 'string' ? parsePrefix(value) : undefined;
  return parsed?.ok === true
    ? formatPrefix(parsed.value)
    : trail.fault('expected a prefix without host bits');
};

/** An address, in its canonical text. */
export const address: Reader<string> = (value, trail) => {
  const parsed = typeof value === 'string' ? parseAddress(value) : undefined;
  return parsed?.ok === true ? formatAddress(parsed.value) : trail.fault('expected an IP address');
};

/** Any JSON, as it is. Its depth and size are the message's. */
export const anything: Reader<unknown> = (value) => value;

/** Foreign names may be long, and are shown to people. */
function excerpt(name: string): string {
  const short = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  return /^[\w:/.*-]+$/.test(short) ? short : JSON.stringify(short);
}
