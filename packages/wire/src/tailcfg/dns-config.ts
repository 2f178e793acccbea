/**
 * tailcfg.DNSConfig: how clients resolve names. Spelled as on the wire: writing one is `JSON.stringify`.
 *
 * Source: docs/protocol/control.md §DNS. Observed: clients 1.80 to 1.102.
 */
import { flag, list, type Reader, recordWithNulls, shape, text } from './shape.ts';

/** dnstype.Resolver: whom to ask. */
export interface Resolver {
  /** An address, `address:port`, or the URL of a DNS-over-HTTPS server. */
  readonly Addr: string;
  /** Addresses of the server that `Addr` names. */
  readonly BootstrapResolution?: readonly string[];
  /** Also while an exit node resolves everything else. */
  readonly UseWithExitNode?: boolean;
}

/** tailcfg.DNSRecord. */
export interface ExtraRecord {
  readonly Name: string;
  /** Absent or empty: that of the value, an address. */
  readonly Type?: string;
  readonly Value: string;
}

/** tailcfg.DNSConfig. An empty one is: no DNS. */
export interface DnsConfig {
  /** For everything. */
  readonly Resolvers?: readonly Resolver[];
  /** By domain without dots at its ends; none: clients answer by themselves. */
  readonly Routes?: { readonly [domain: string]: readonly Resolver[] };
  /** Where nothing else resolves. */
  readonly FallbackResolvers?: readonly Resolver[];
  /** Search domains; the first is the tailnet's. */
  readonly Domains?: readonly string[];
  /** MagicDNS: clients answer names of nodes. */
  readonly Proxied?: boolean;
  /** Names that a client may have certificates for. */
  readonly CertDomains?: readonly string[];
  readonly ExtraRecords?: readonly ExtraRecord[];
  /** Domains that an exit node must not answer; a leading dot: with all below. */
  readonly ExitNodeFilteredSet?: readonly string[];
}

const MAX_RESOLVERS = 256;
const MAX_DOMAINS = 16_384;
/** Of several sources, 10,000 each. */
const MAX_RECORDS = 65_536;

/** Reads a {@link Resolver}. */
export const resolver: Reader<Resolver> = shape<Resolver>(
  { Addr: text(2048), BootstrapResolution: list(text(64), 64), UseWithExitNode: flag },
  ['Addr'],
);

const resolvers = list(resolver, MAX_RESOLVERS);
const names = list(text(), MAX_DOMAINS);

/** Without servers a route may be an empty list or null. */
const routes: Reader<{ readonly [domain: string]: readonly Resolver[] }> = (value, trail) => {
  const read = recordWithNulls(resolvers, MAX_DOMAINS)(value, trail);
  if (read === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(read).map(([domain, servers]) => [domain, servers ?? []]),
  );
};

/** Reads a {@link DnsConfig}. */
export const dnsConfig: Reader<DnsConfig> = shape<DnsConfig>({
  Resolvers: resolvers,
  Routes: routes,
  FallbackResolvers: resolvers,
  Domains: names,
  Proxied: flag,
  CertDomains: names,
  ExtraRecords: list(
    shape<ExtraRecord>({ Name: text(), Type: text(16), Value: text() }, ['Name', 'Value']),
    MAX_RECORDS,
  ),
  ExitNodeFilteredSet: names,
});
