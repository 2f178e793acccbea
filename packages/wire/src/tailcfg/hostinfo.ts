/**
 * tailcfg.Hostinfo: what a client says about its machine. Every field is optional. What clients up to
 * 1.102 are known to say is kept, each field of its type and within bounds; anything else is dropped:
 * a few KiB of foreign JSON can become megabytes of objects, and a client says all of it again when it
 * connects, so nothing is lost that a later malla would read.
 *
 * Source: docs/protocol/control.md §Hostinfo. Observed: clients 1.80 to 1.102.
 */
import { formatPrefix, parsePrefix } from '@malla/ip/prefix';
import { isObject, lineOf, stringsOf, uint16Of } from './json.ts';
import { flag, number, type Reader, shape, Trail } from './shape.ts';

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
/** Of 256 regions, by IPv4 and by IPv6. */
const MAX_LATENCIES = 512;
const MAX_MAC_ADDRESSES = 32;

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

type AnyFields = { readonly [field: string]: unknown };

const NET_INFO = shape<AnyFields>({
  MappingVariesByDestIP: flag,
  WorkingIPv6: flag,
  OSHasIPv6: flag,
  WorkingUDP: flag,
  WorkingICMPv4: flag,
  HavePortMap: flag,
  UPnP: flag,
  PMP: flag,
  PCP: flag,
  PreferredDERP: number,
  LinkType: line,
  DERPLatency: decodeLatencies,
  FirewallMode: line,
});

const LOCATION = shape<AnyFields>({
  Country: line,
  CountryCode: line,
  City: line,
  CityCode: line,
  Latitude: number,
  Longitude: number,
  Priority: number,
});

const TPM = shape<AnyFields>({
  Manufacturer: line,
  Vendor: line,
  Model: number,
  FirmwareVersion: number,
  SpecRevision: number,
  FamilyIndicator: line,
});

/** Reads a Hostinfo of any size, which is that of the message it stands in. */
export const readHostinfo: Reader<Hostinfo> = shape<AnyFields>({
  IPNVersion: line,
  FrontendLogID: line,
  BackendLogID: line,
  OS: line,
  OSVersion: line,
  Container: flag,
  Env: line,
  Distro: line,
  DistroVersion: line,
  DistroCodeName: line,
  App: line,
  Desktop: flag,
  Package: line,
  DeviceModel: line,
  PushDeviceToken: line,
  Hostname: line,
  ShieldsUp: flag,
  ShareeNode: flag,
  NoLogsNoSupport: flag,
  RemoteConfig: flag,
  WireIngress: flag,
  IngressEnabled: flag,
  AllowsUpdate: flag,
  Machine: line,
  GoArch: line,
  GoArchVar: line,
  GoVersion: line,
  RoutableIPs: decodeRoutes,
  RequestTags: (value) => stringsOf(value, MAX_TAGS).map((tag) => lineOf(tag, MAX_NAME_CHARS)),
  WoLMACs: (value) =>
    stringsOf(value, MAX_MAC_ADDRESSES, 32).filter((address) => /^[0-9a-fA-F:-]+$/.test(address)),
  Services: decodeServices,
  NetInfo: NET_INFO,
  sshHostKeys: decodeSshHostKeys,
  Cloud: line,
  Userspace: flag,
  UserspaceRouter: flag,
  AppConnector: flag,
  ServicesHash: line,
  PeerRelay: flag,
  ExitNodeID: line,
  Location: LOCATION,
  TPM: TPM,
  StateEncrypted: flag,
});

/**
 * Reads a Hostinfo; undefined where there is none, or one beyond {@link MAX_HOSTINFO_CHARS}. What it
 * gives it reads as the same again. Nothing makes it throw.
 */
export function decodeHostinfo(value: unknown): Hostinfo | undefined {
  const known = readHostinfo(value, new Trail());
  if (known === undefined) return undefined;
  const text = JSON.stringify(known);
  if (text.length > MAX_HOSTINFO_CHARS) return undefined;
  texts.set(known, text);
  return known;
}

/** What was made to know its length, until it is asked for: most reports say what is known already. */
const texts = new WeakMap<Hostinfo, string>();

/** The JSON of a Hostinfo. What has just been read is not made into text a second time. */
export function encodeHostinfo(hostinfo: Hostinfo): string {
  const text = texts.get(hostinfo);
  texts.delete(hostinfo);
  return text ?? JSON.stringify(hostinfo);
}

/** The home DERP region a client measured as nearest; 0 while it knows none. */
export function preferredDerp(hostinfo: Hostinfo): number {
  return uint16Of(hostinfo.NetInfo?.PreferredDERP) ?? 0;
}

/** One line of text, cut where it is too long. */
function line(value: unknown, trail: Trail): string | undefined {
  return typeof value === 'string' ? lineOf(value, MAX_NAME_CHARS) : trail.fault('expected text');
}

/** Seconds by region and family of addresses, `3-v4`. */
function decodeLatencies(value: unknown): Readonly<Record<string, number>> | undefined {
  if (!isObject(value)) return undefined;
  const out: Record<string, number> = {};
  let count = 0;
  for (const [region, seconds] of Object.entries(value)) {
    if (typeof seconds !== 'number' || !/^\d{1,5}-v[46]$/.test(region)) continue;
    if (++count > MAX_LATENCIES) break;
    out[region] = seconds;
  }
  return out;
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
