/**
 * tailcfg.Hostinfo: what a client says about its machine. Every field is optional; unknown fields are
 * kept as they came, because newer clients add some with almost every release. Named fields are made
 * safe to pass on: peers decode some of them, strictly, and people are shown others.
 *
 * Source: docs/protocol/control.md §Hostinfo. Observed: clients 1.80 to 1.102.
 */
import { formatPrefix, parsePrefix } from '@malla/ip/prefix';
import { isObject, lineOf, stringsOf, uint16Of } from './json.ts';

/** Largest Hostinfo that is kept, in characters of JSON; real ones have 1 to 3 thousand. */
export const MAX_HOSTINFO_CHARS = 64 * 1024;
/** Routes that one node may advertise. */
export const MAX_ROUTES = 1024;
/** RFC 1035 §2.3.4, with a little to spare: some systems call themselves longer names. */
const MAX_NAME_CHARS = 255;
const MAX_TAGS = 256;
const MAX_SERVICES = 256;
const MAX_SSH_HOST_KEYS = 16;
/** An RSA key of 16,384 bits has 2,800 characters. */
const MAX_SSH_HOST_KEY_CHARS = 4096;

export interface NetInfo {
  readonly PreferredDERP?: number;
  readonly [field: string]: unknown;
}

export interface Service {
  /** `tcp`, `udp`, `peerapi4`, `peerapi6`, `peerapi-dns-proxy`. */
  readonly Proto: string;
  /** 0 to 65535. */
  readonly Port: number;
  readonly Description?: string;
}

export interface Hostinfo {
  readonly OS?: string;
  readonly Hostname?: string;
  /** Canonical prefixes, each once. */
  readonly RoutableIPs?: readonly string[];
  readonly RequestTags?: readonly string[];
  readonly Services?: readonly Service[];
  readonly NetInfo?: NetInfo;
  /** `type base64`, one line each: clients write those of their peers into a known_hosts file. */
  readonly sshHostKeys?: readonly string[];
  readonly ShareeNode?: boolean;
  readonly [field: string]: unknown;
}

/** How each named field is read; undefined: as if it were not there. */
const FIELDS: Readonly<Record<string, (value: unknown) => unknown>> = {
  OS: line,
  Hostname: line,
  RoutableIPs: decodeRoutes,
  RequestTags: (value) => stringsOf(value, MAX_TAGS).map((tag) => lineOf(tag, MAX_NAME_CHARS)),
  Services: decodeServices,
  NetInfo: (value) => (isObject(value) ? value : undefined),
  sshHostKeys: decodeSshHostKeys,
  ShareeNode: (value) => (typeof value === 'boolean' ? value : undefined),
};

/**
 * Reads a Hostinfo; undefined where there is none, or one beyond {@link MAX_HOSTINFO_CHARS}. What it
 * gives it reads as the same again. Nested no deeper than `parseObject` lets through, nothing makes it
 * throw.
 */
export function decodeHostinfo(value: unknown): Hostinfo | undefined {
  if (!isObject(value) || JSON.stringify(value).length > MAX_HOSTINFO_CHARS) return undefined;
  const known: Record<string, unknown> = { ...value };
  for (const [name, read] of Object.entries(FIELDS)) {
    if (!Object.hasOwn(known, name)) continue;
    const field = read(known[name]);
    if (field === undefined) delete known[name];
    else known[name] = field;
  }
  return known;
}

/** The home DERP region a client measured as nearest; 0 while it knows none. */
export function preferredDerp(hostinfo: Hostinfo): number {
  return uint16Of(hostinfo.NetInfo?.PreferredDERP) ?? 0;
}

function line(value: unknown): string | undefined {
  return typeof value === 'string' ? lineOf(value, MAX_NAME_CHARS) : undefined;
}

function decodeRoutes(value: unknown): readonly string[] {
  const routes = new Set<string>();
  for (const text of stringsOf(value, MAX_ROUTES, 64)) {
    const prefix = parsePrefix(text);
    if (prefix.ok) routes.add(formatPrefix(prefix.value));
  }
  return [...routes];
}

function decodeServices(value: unknown): readonly Service[] {
  if (!Array.isArray(value)) return [];
  const out: Service[] = [];
  for (const item of (value as unknown[]).slice(0, MAX_SERVICES)) {
    if (!isObject(item)) continue;
    const { Proto, Port, Description } = item;
    const port = uint16Of(Port);
    if (typeof Proto !== 'string' || !/^[a-z0-9-]{1,32}$/.test(Proto) || port === undefined)
      continue;
    const description = lineOf(Description, MAX_NAME_CHARS);
    out.push({
      Proto,
      Port: port,
      ...(description === '' ? {} : { Description: description }),
    });
  }
  return out;
}

function decodeSshHostKeys(value: unknown): readonly string[] {
  return stringsOf(value, MAX_SSH_HOST_KEYS, MAX_SSH_HOST_KEY_CHARS).filter((key) =>
    /^[a-z][a-z0-9@.-]* [A-Za-z0-9+/]+={0,2}$/.test(key),
  );
}
