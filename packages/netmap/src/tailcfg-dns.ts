/**
 * The tailnet's DNS as clients read it: tailcfg.DNSConfig. Names of nodes are not in it: clients take
 * them from the peers they see, and answer those of a node's subdomains where the node has the
 * capability `dns-subdomain-resolve`.
 *
 * Source: docs/protocol/control.md §DNS; headscale 0.29 for what the settings mean.
 */
import type { Prefix } from '@malla/ip/prefix';
import type { DnsConfig, Resolver } from '@malla/wire/tailcfg/dns-config';
import type { DnsRecord } from './dns-record.ts';

export interface DnsSettings {
  readonly magicDns: boolean;
  /** Without dots at its ends. */
  readonly baseDomain: string;
  /** Clients use `nameservers` for everything; otherwise only behind an exit node that resolves nothing. */
  readonly overrideLocalDns: boolean;
  readonly nameservers: readonly string[];
  /** A domain without nameservers is answered by clients themselves: from records, else not at all. */
  readonly splitNameservers: Readonly<Record<string, readonly string[]>>;
  readonly searchDomains: readonly string[];
}

/** A tailnet without names or name servers. */
export const NO_DNS: DnsSettings = {
  magicDns: false,
  baseDomain: '',
  overrideLocalDns: false,
  nameservers: [],
  splitNameservers: {},
  searchDomains: [],
};

/** The JSON of a DNSConfig. */
export function encodeDnsConfig(
  settings: DnsSettings,
  prefixes: readonly Prefix[],
  records: readonly DnsRecord[],
): string {
  const resolvers = resolversOf(settings.nameservers);
  const routes = new Map<string, readonly Resolver[]>();
  if (settings.magicDns) {
    // Empty, not null: names that clients answer by themselves.
    routes.set(settings.baseDomain, []);
    for (const prefix of prefixes) for (const zone of reverseZones(prefix)) routes.set(zone, []);
  }
  for (const [domain, servers] of Object.entries(settings.splitNameservers)) {
    routes.set(domain, resolversOf(servers));
  }
  if (settings.magicDns && !(settings.overrideLocalDns && resolvers.length > 0)) {
    for (const name of unrouted(records, routes)) routes.set(name, resolvers);
  }
  const config: DnsConfig = {
    ...(resolvers.length === 0
      ? {}
      : settings.overrideLocalDns
        ? { Resolvers: resolvers }
        : { FallbackResolvers: resolvers }),
    ...(routes.size === 0 ? {} : { Routes: Object.fromEntries(routes) }),
    Domains: [
      ...(settings.baseDomain === '' ? [] : [settings.baseDomain]),
      ...settings.searchDomains,
    ],
    Proxied: settings.magicDns,
    ...(records.length === 0
      ? {}
      : {
          ExtraRecords: records.map(({ name, type, value }) => ({
            Name: name,
            Type: type,
            Value: value,
          })),
        }),
  };
  return JSON.stringify(config);
}

function resolversOf(addresses: readonly string[]): readonly Resolver[] {
  return addresses.map((address) => ({ Addr: address }));
}

/**
 * Names of records that no route covers. Without one, systems that ask the client only for routed domains
 * (macOS, Windows, systemd-resolved) never ask it for these.
 */
function unrouted(
  records: readonly DnsRecord[],
  routes: ReadonlyMap<string, unknown>,
): ReadonlySet<string> {
  const names = new Set(records.map(({ name }) => name).filter((name) => !isCovered(name, routes)));
  for (const name of names) {
    const parent = parentOf(name);
    if (parent !== undefined && isCovered(parent, names)) names.delete(name);
  }
  return names;
}

/** Whether the name or a domain above it is among these. */
function isCovered(name: string, domains: { readonly has: (domain: string) => boolean }): boolean {
  for (let rest: string | undefined = name; rest !== undefined; rest = parentOf(rest)) {
    if (domains.has(rest)) return true;
  }
  return false;
}

function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.');
  return dot === -1 ? undefined : name.slice(dot + 1);
}

/**
 * The reverse zones that cover a prefix, at whole labels (RFC 1035 §3.5, RFC 3596 §2.5): 128 at most, for
 * a prefix that is one bit longer than a label.
 */
export function reverseZones(prefix: Prefix): readonly string[] {
  const v4 = prefix.network.family === 4;
  const labelBits = v4 ? 8 : 4;
  const suffix = v4 ? 'in-addr.arpa' : 'ip6.arpa';
  const whole = Math.floor(prefix.bits / labelBits);
  const spare = prefix.bits - whole * labelBits;
  const totalBits = v4 ? 32 : 128;
  const label = (index: number): number =>
    Number(
      (prefix.network.value >> BigInt(totalBits - (index + 1) * labelBits)) & (v4 ? 0xffn : 0xfn),
    );
  const text = (n: number): string => (v4 ? String(n) : n.toString(16));
  const parents: string[] = [];
  for (let i = whole - 1; i >= 0; i--) parents.push(text(label(i)));
  const parent = [...parents, suffix].join('.');
  if (spare === 0) return [parent];
  const first = label(whole);
  const count = 1 << (labelBits - spare);
  return Array.from({ length: count }, (_, i) => `${text(first + i)}.${parent}`);
}
