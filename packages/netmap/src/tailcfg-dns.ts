/**
 * The tailnet's DNS as clients read it: tailcfg.DNSConfig. Names of nodes are not in it: clients take
 * them from the peers they see.
 *
 * Source: docs/protocol/control.md §DNS; headscale 0.29 for what the settings mean.
 */
import type { Prefix } from '@malla/ip/prefix';

export interface DnsSettings {
  readonly magicDns: boolean;
  /** Without dots at its ends. */
  readonly baseDomain: string;
  /** Clients use `nameservers` for everything; otherwise only where they have no resolver. */
  readonly overrideLocalDns: boolean;
  readonly nameservers: readonly string[];
  readonly splitNameservers: Readonly<Record<string, readonly string[]>>;
  readonly searchDomains: readonly string[];
  readonly extraRecords: readonly {
    readonly name: string;
    readonly type: string;
    readonly value: string;
  }[];
}

/** The JSON of a DNSConfig; `{}` means that there is none. */
export function encodeDnsConfig(settings: DnsSettings, prefixes: readonly Prefix[]): string {
  const resolvers = settings.nameservers.map((Addr) => ({ Addr }));
  const routes: Record<string, readonly { Addr: string }[]> = {};
  if (settings.magicDns) {
    // Empty, not null: names that clients answer by themselves.
    routes[settings.baseDomain] = [];
    for (const prefix of prefixes) for (const zone of reverseZones(prefix)) routes[zone] = [];
  }
  for (const [domain, servers] of Object.entries(settings.splitNameservers)) {
    routes[domain] = servers.map((Addr) => ({ Addr }));
  }
  return JSON.stringify({
    ...(resolvers.length === 0
      ? {}
      : settings.overrideLocalDns
        ? { Resolvers: resolvers }
        : { FallbackResolvers: resolvers }),
    ...(Object.keys(routes).length === 0 ? {} : { Routes: routes }),
    Domains: [
      ...(settings.baseDomain === '' ? [] : [settings.baseDomain]),
      ...settings.searchDomains,
    ],
    Proxied: settings.magicDns,
    ...(settings.extraRecords.length === 0
      ? {}
      : {
          ExtraRecords: settings.extraRecords.map(({ name, type, value }) => ({
            Name: name,
            ...(type === '' ? {} : { Type: type }),
            Value: value,
          })),
        }),
  });
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
