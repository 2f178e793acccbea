/**
 * Kinds of values: what is allowed, in words, and how text or a YAML value becomes one in base units.
 * One parser serves the file, the environment and flags, so that all three accept the same.
 */
import { parseDuration } from '@malla/base/duration';
import { fail, ok, type Result } from '@malla/base/result';
import { familyOf, parseAddress } from '@malla/ip/address';
import { parsePrefixMasked, type Prefix, singlePrefix } from '@malla/ip/prefix';
import {
  type DnsRecord,
  MAX_RECORDS,
  parseDnsRecord,
  unservedReason,
} from '@malla/netmap/dns-record';
import { isDnsName, type ListenAddress, parseListenAddress } from './address.ts';
import type { LogLevel } from './log-level.ts';
import { show, type Given } from './given.ts';
import { yaml } from './yaml.ts';

export interface Kind<T> {
  /** What is allowed, completing "is not ...". */
  readonly allowed: string;
  /** Empty text says something; otherwise it is as if the key were absent. */
  readonly mayBeEmpty?: true;
  /** The value, or the sentence that says what is wrong with it. */
  readonly parse: (given: Given) => Result<T, string>;
}

/** A kind of scalar, understood from its text. */
function scalar<T>(allowed: string, read: (text: string) => T | undefined): Kind<T> {
  return {
    allowed,
    parse(given) {
      const value = given.text === undefined ? undefined : read(given.text.trim());
      return value === undefined ? fail(`${show(given)} is not ${allowed}`) : ok(value);
    },
  };
}

/**
 * A list of scalars of one kind. From one text too, as in the environment: separated by spaces or commas,
 * or written as a list in YAML, of which JSON is a part. Items without a value are left out, unless
 * `blanks` says that a list without them could mean something else.
 */
export function list<T>(
  element: Kind<T>,
  allowed: string,
  { most = 1_000, blanks = 'left out' }: ListRules = {},
): Kind<readonly T[]> {
  return {
    allowed,
    parse(given) {
      const items = itemsOf(given);
      if (items.length > most)
        return fail(`has ${items.length} entries, at most ${most} are allowed`);
      const out: T[] = [];
      for (const item of items) {
        if (blanks === 'left out' && isBlank(item)) continue;
        const parsed = element.parse(part(given, item));
        if (!parsed.ok) return parsed;
        out.push(parsed.value);
      }
      return ok(out);
    },
  };
}

export interface ListRules {
  readonly most?: number;
  readonly blanks?: 'left out' | 'read';
}

function itemsOf(given: Given): readonly unknown[] {
  const value = composed(given);
  if (Array.isArray(value)) return value;
  if (isEmpty(value)) return [];
  if (given.text === undefined) return [value];
  return given.text.split(/[\s,]+/).filter((item) => item !== '');
}

function isBlank(item: unknown): boolean {
  return item === null || (typeof item === 'string' && item.trim() === '');
}

/** The list or map that a value is, or that its text spells in YAML; otherwise the value itself. */
function composed({ value, text: written }: Given): unknown {
  if (written === undefined || !/^\s*[[{]/.test(written)) return value;
  try {
    const parsed: unknown = yaml().parse(written, { maxAliasCount: 0, logLevel: 'error' });
    return typeof parsed === 'object' && parsed !== null ? parsed : value;
  } catch {
    return value; // such as the address [2001:db8::1]:53
  }
}

/** A value inside `given`. */
function part(given: Given, value: unknown): Given {
  const isText =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return { ...given, value, text: isText ? String(value) : undefined };
}

export const bool: Kind<boolean> = scalar('true or false', (text) => {
  if (/^(?:true|t|1)$/i.test(text)) return true;
  if (/^(?:false|f|0)$/i.test(text)) return false;
  return undefined;
});

/** A whole number in a range, both ends included. */
export function count(least: number, most: number): Kind<number> {
  return scalar(`a whole number from ${least} to ${most}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : -1;
    return value >= least && value <= most ? value : undefined;
  });
}

/** Milliseconds. */
export function duration(allowed = 'a duration such as 90s, 1h30m or 90d'): Kind<number> {
  return scalar(allowed, (text) => {
    const parsed = parseDuration(text);
    return parsed.ok ? parsed.value : undefined;
  });
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return scalar(words.join(' or '), (text) => words.find((word) => word === text));
}

export const text: Kind<string> = scalar('text', (value) => value);

/** Text that messages never show. */
export const secret: Kind<string> = {
  allowed: 'text',
  parse: (given) => (given.text === undefined ? fail('is not text') : ok(given.text.trim())),
};

/** Made absolute when the configuration is put together. Empty is as if the key were absent. */
export const path: Kind<string> = scalar('a path', (value) =>
  value.includes('\0') ? undefined : value,
);

export const paths: Kind<readonly string[]> = list(path, 'a list of paths');

/** Absent: empty text, which switches the listener off. */
export const optionalListenAddress: Kind<ListenAddress | undefined> = {
  allowed: 'host:port, [IPv6]:port or :port, or empty for none',
  mayBeEmpty: true,
  parse: (given) => (given.text?.trim() === '' ? ok(undefined) : listenAddress.parse(given)),
};

export const listenAddress: Kind<ListenAddress> = scalar(
  'host:port, [IPv6]:port or :port',
  parseListenAddress,
);

/** Host bits that are set are dropped, as in headscale. */
export const prefix: Kind<Prefix> = scalar('a prefix such as 100.64.0.0/10', readPrefix);

export const prefixes: Kind<readonly Prefix[]> = list(
  scalar('a prefix such as 10.0.0.0/8, or an IP address', (value) => {
    const address = parseAddress(value);
    return address.ok ? singlePrefix(address.value) : readPrefix(value);
  }),
  'a list of prefixes',
);

function readPrefix(value: string): Prefix | undefined {
  const parsed = parsePrefixMasked(value);
  return parsed.ok ? parsed.value : undefined;
}

/** Scheme, host and port; never a path. Without the slash at its end. */
export const serverUrl: Kind<string> = scalar(
  'a URL such as https://vpn.example.org: http:// or https://, a host, perhaps a port, no path',
  (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      return undefined;
    if (url.hostname === '' || url.username !== '' || url.password !== '') return undefined;
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined;
    return `${url.protocol}//${url.host}`;
  },
);

export const url: Kind<string> = scalar('a URL with http:// or https://', (value) =>
  isHttpUrl(value) ? value : undefined,
);

export const urls: Kind<readonly string[]> = list(url, 'a list of URLs');

export const dnsName: Kind<string> = scalar('a DNS name such as tailnet.example.org', (value) => {
  if (!isDnsName(value)) return undefined;
  return value.toLowerCase().replace(/\.$/, '');
});

export const dnsNames: Kind<readonly string[]> = list(dnsName, 'a list of DNS names');

/** Empty, or a DNS name. */
export const optionalDnsName: Kind<string> = {
  ...dnsName,
  mayBeEmpty: true,
  parse: (given) => (given.text?.trim() === '' ? ok('') : dnsName.parse(given)),
};

export const hostname: Kind<string> = scalar('a host name or an IP address', (value) =>
  familyOf(value) !== 0 || isDnsName(value) ? value.toLowerCase().replace(/\.$/, '') : undefined,
);

export const ipv4: Kind<string> = scalar('an IPv4 address', (value) =>
  familyOf(value) === 4 ? value : undefined,
);

export const ipv6: Kind<string> = scalar('an IPv6 address', (value) =>
  familyOf(value) === 6 ? value : undefined,
);

const nameserver: Kind<string> = scalar(
  'a name server: an IP address, IP:port, or an https:// URL',
  (value) => {
    if (familyOf(value) !== 0 || isHttpUrl(value)) return value;
    const address = parseListenAddress(value);
    return familyOf(address?.host ?? '') === 0 ? undefined : value;
  },
);

export const nameservers: Kind<readonly string[]> = list(nameserver, 'a list of name servers');

/** Names are lower case, as they are to DNS. */
export const splitNameservers: Kind<Readonly<Record<string, readonly string[]>>> = {
  allowed: 'a map from DNS names to lists of name servers',
  parse(given) {
    const value = composed(given);
    if (isEmpty(value)) return ok({});
    if (!isMap(value)) return fail(`${show(given)} is not ${this.allowed}`);
    const out: [string, readonly string[]][] = [];
    for (const [domain, servers] of Object.entries(value)) {
      const name = dnsName.parse(part(given, domain));
      if (!name.ok) return name;
      const parsed = nameservers.parse(part(given, servers ?? []));
      if (!parsed.ok) return fail(`${domain}: ${parsed.error}`);
      out.push([name.value, parsed.value]);
    }
    return ok(Object.fromEntries(out));
  },
};

/** A record of the configuration that is left out, as clients would pass over it, and why. */
export interface UnservedRecord {
  readonly name: string;
  readonly unserved: string;
}

/** A record of the configuration. */
export type ExtraRecord = DnsRecord | UnservedRecord;

export const extraRecords: Kind<readonly ExtraRecord[]> = {
  allowed: 'a list of records, each with name, type and value',
  parse(given) {
    const value = composed(given);
    if (isEmpty(value)) return ok([]);
    if (!Array.isArray(value)) return fail(`${show(given)} is not ${this.allowed}`);
    if (value.length > MAX_RECORDS) {
      return fail(`has ${value.length} entries, at most ${MAX_RECORDS} are allowed`);
    }
    const out: ExtraRecord[] = [];
    for (const item of value as readonly unknown[]) {
      const record = readRecord(given, item);
      if (!record.ok) return record;
      out.push(record.value);
    }
    return ok(out);
  },
};

function readRecord(given: Given, item: unknown): Result<ExtraRecord, string> {
  if (!isMap(item))
    return fail(`${show(part(given, item))} is not a record with name, type and value`);
  const fields = new Map(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]));
  for (const key of fields.keys()) {
    if (key !== 'name' && key !== 'type' && key !== 'value') {
      return fail(`a record has name, type and value, not "${key}"`);
    }
  }
  const texts: string[] = [];
  for (const key of ['name', 'type', 'value']) {
    const field = text.parse(part(given, fields.get(key) ?? (key === 'type' ? '' : undefined)));
    if (!field.ok) return fail(`${key} ${field.error}`);
    texts.push(field.value);
  }
  const [name = '', type = '', value = ''] = texts;
  const unserved = unservedReason({ name, type, value });
  return unserved === undefined ? parseDnsRecord({ name, type, value }) : ok({ name, unserved });
}

/** Text to text. */
export const textMap: Kind<Readonly<Record<string, string>>> = {
  allowed: 'a map from names to text',
  parse(given) {
    const map = composed(given);
    if (isEmpty(map)) return ok({});
    if (!isMap(map)) return fail(`${show(given)} is not ${this.allowed}`);
    const out: [string, string][] = [];
    for (const [name, value] of Object.entries(map)) {
      const parsed = text.parse(part(given, value));
      if (!parsed.ok) return fail(`${name}: ${parsed.error}`);
      out.push([name, parsed.value]);
    }
    return ok(Object.fromEntries(out));
  },
};

/** `0770`, `0o770` and `770` are the same; the text counts, not what YAML makes of it. */
export const fileMode: Kind<number> = scalar('a file mode such as "0770"', (value) => {
  const match = /^(?:0o?)?([0-7]{3})$/.exec(value);
  return match === null ? undefined : Number.parseInt(match[1] ?? '', 8);
});

/** headscale's names for the levels are taken as well. */
export const logLevel: Kind<LogLevel> = scalar(
  'trace or debug or info or warn or error or fatal or disabled',
  (value) => LOG_LEVELS.get(value.toLowerCase()),
);

const LOG_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['trace', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['fatal', 'fatal'],
  ['panic', 'fatal'],
  ['disabled', 'silent'],
]);

function isHttpUrl(value: string): boolean {
  return /^https?:\/\//i.test(value) && URL.canParse(value);
}

/** What writes files from templates may know only one empty value for lists and maps, as headscale does. */
function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
