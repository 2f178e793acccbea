/**
 * tailcfg.Hostinfo: what a client says about its machine. Every field is optional; unknown fields are
 * kept as they came, because newer clients add some with almost every release.
 *
 * Source: docs/protocol/control.md §Hostinfo. Observed: clients 1.80 to 1.102.
 */
import { integerOf, isObject, type JsonObject, stringOf, stringsOf } from './json.ts';

/** Largest Hostinfo that is kept, in characters of JSON; real ones have 1 to 3 thousand. */
export const MAX_HOSTINFO_CHARS = 64 * 1024;
/** Routes that one node may advertise. */
export const MAX_ROUTES = 1024;

export interface NetInfo {
  readonly PreferredDERP?: number;
  readonly [field: string]: unknown;
}

export interface Service {
  /** `tcp`, `udp`, `peerapi4`, `peerapi6`, `peerapi-dns-proxy`. */
  readonly Proto: string;
  readonly Port: number;
  readonly Description?: string;
}

export interface Hostinfo {
  readonly IPNVersion?: string;
  readonly OS?: string;
  readonly OSVersion?: string;
  readonly Hostname?: string;
  readonly RoutableIPs?: readonly string[];
  readonly RequestTags?: readonly string[];
  readonly Services?: readonly Service[];
  readonly NetInfo?: NetInfo;
  readonly sshHostKeys?: readonly string[];
  readonly ShareeNode?: boolean;
  readonly Location?: JsonObject;
  readonly [field: string]: unknown;
}

/** Reads a Hostinfo; undefined where there is none, or one beyond {@link MAX_HOSTINFO_CHARS}. */
export function decodeHostinfo(value: unknown): Hostinfo | undefined {
  if (!isObject(value) || JSON.stringify(value).length > MAX_HOSTINFO_CHARS) return undefined;
  const known: Record<string, unknown> = { ...value };
  text(known, 'IPNVersion');
  text(known, 'OS');
  text(known, 'OSVersion');
  text(known, 'Hostname');
  list(known, 'RoutableIPs', MAX_ROUTES);
  list(known, 'RequestTags', 256);
  list(known, 'sshHostKeys', 32);
  if ('Services' in known) known['Services'] = decodeServices(known['Services']);
  if ('NetInfo' in known && !isObject(known['NetInfo'])) delete known['NetInfo'];
  if ('ShareeNode' in known && typeof known['ShareeNode'] !== 'boolean') delete known['ShareeNode'];
  if ('Location' in known && !isObject(known['Location'])) delete known['Location'];
  return known;
}

/** The home DERP region a client measured as nearest; 0 while it knows none. */
export function preferredDerp(hostinfo: Hostinfo): number {
  return integerOf(hostinfo.NetInfo?.PreferredDERP);
}

function decodeServices(value: unknown): readonly Service[] {
  if (!Array.isArray(value)) return [];
  const out: Service[] = [];
  for (const item of (value as unknown[]).slice(0, 256)) {
    if (!isObject(item)) continue;
    const description = stringOf(item['Description']);
    out.push({
      Proto: stringOf(item['Proto'], 64),
      Port: integerOf(item['Port']) & 0xffff,
      ...(description === '' ? {} : { Description: description }),
    });
  }
  return out;
}

function text(fields: Record<string, unknown>, name: string): void {
  if (name in fields && typeof fields[name] !== 'string') delete fields[name];
}

function list(fields: Record<string, unknown>, name: string, maxItems: number): void {
  if (name in fields) fields[name] = stringsOf(fields[name], maxItems);
}
