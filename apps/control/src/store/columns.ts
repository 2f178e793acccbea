/**
 * How single values are kept in columns, and read back with suspicion: a database may have been edited
 * or damaged. Reading never throws; the fault says what should have been there.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type KeyPrefix, parseKey } from '@malla/keys/key';
import { decodeHostinfo, encodeHostinfo, type Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import { parseObjectText } from '@malla/wire/tailcfg/json';

export type SqlValue = null | number | string;

export interface Column<T> {
  readonly encode: (value: T) => SqlValue;
  /** Integers arrive as bigint. The error completes "is not ...". */
  readonly decode: (stored: unknown) => Result<T, string>;
}

export const integer: Column<number> = {
  encode: (value) => value,
  decode: (stored) =>
    typeof stored === 'bigint' && Number.isSafeInteger(Number(stored))
      ? ok(Number(stored))
      : fail('an integer up to 2^53 - 1'),
};

export const flag: Column<boolean> = {
  encode: Number,
  decode: (stored) => (stored === 0n || stored === 1n ? ok(stored === 1n) : fail('0 or 1')),
};

export const text: Column<string> = {
  encode: (value) => value,
  decode: (stored) => (typeof stored === 'string' ? ok(stored) : fail('text')),
};

/** A JSON list of strings. */
export const texts: Column<readonly string[]> = {
  encode: (value) => JSON.stringify(value),
  decode: (stored) => {
    const list = parseJson(stored);
    return Array.isArray(list) && list.every((item) => typeof item === 'string')
      ? ok(list)
      : fail('a JSON list of strings');
  },
};

/**
 * What a client says of its machine. Earlier versions kept whatever it said; of that the known part is
 * read, and nothing where there is too much of it: the client says it again when it connects.
 */
export const hostinfo: Column<Hostinfo> = {
  encode: encodeHostinfo,
  decode: (stored) => {
    const parsed = parseObjectText(typeof stored === 'string' ? stored : '');
    if (!parsed.ok && parsed.error === 'too-many-values') return ok({});
    const decoded = parsed.ok ? decodeHostinfo(parsed.value) : undefined;
    return decoded === undefined ? fail('the JSON of a Hostinfo') : ok(decoded);
  },
};

/** A public key in its text form. */
export function key<P extends KeyPrefix>(
  prefix: P,
): Column<Extract<ReturnType<typeof parseKey<P>>, { readonly ok: true }>['value']> {
  return {
    encode: (value) => value,
    decode: (stored) => {
      const parsed = parseKey(prefix, stored);
      return parsed.ok ? parsed : fail(`${prefix}: and 64 hex digits`);
    },
  };
}

/**
 * One of a set of texts to which later programs may add: a word that this one does not know is read as
 * `unknown`, which must be the harmless one. It is written back as that, when the row is next written.
 */
export function openSet<T extends string>(values: readonly T[], unknown: T): Column<T> {
  return {
    encode: (value) => value,
    decode: (stored) =>
      typeof stored === 'string'
        ? ok(values.find((candidate) => candidate === stored) ?? unknown)
        : fail('text'),
  };
}

/** One of a closed set of texts. */
export function oneOf<T extends string>(values: readonly T[]): Column<T> {
  return {
    encode: (value) => value,
    decode: (stored) => {
      const value = values.find((candidate) => candidate === stored);
      return value === undefined ? fail(`one of ${values.join(', ')}`) : ok(value);
    },
  };
}

/** A column that is NULL where the value is absent. */
export function optional<T>(column: Column<T>): Column<T | undefined> {
  return {
    encode: (value) => (value === undefined ? null : column.encode(value)),
    decode: (stored) => (stored === null ? ok(undefined) : column.decode(stored)),
  };
}

function parseJson(stored: unknown): unknown {
  if (typeof stored !== 'string') return undefined;
  try {
    return JSON.parse(stored) as unknown;
  } catch {
    return undefined;
  }
}
