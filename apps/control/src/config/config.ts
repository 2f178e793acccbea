/**
 * The server's configuration as the rest of the program sees it: complete, checked, frozen, in base
 * units (ms, bytes, octal mode as a number), paths absolute, prefixes in canonical text. How it is
 * written in YAML and in the environment is `keys.ts`' business; `loadConfig` makes it.
 */
import type { CertificateFiles } from '@malla/platform/tls/server-certificate';

import type { DnsRecord } from '@malla/netmap/dns-record';
import type { ListenAddress } from './address.ts';
import type { LogLevel } from './log-level.ts';
import type { KeyName } from './keys/table.ts';

export interface ListenConfig {
  /** Control, and the embedded relay unless that has a listener of its own. */
  readonly control: ListenAddress;
  /** TLS on `control` from the operator's files; absent: plain HTTP. */
  readonly tls: CertificateFiles | undefined;
  /** Where plain HTTP is sent on to the server's URL. */
  readonly httpRedirect: ListenAddress | undefined;
  /** One more control listener, with TLS from a self-made certificate. */
  readonly extraTls: (CertificateFiles & { readonly address: ListenAddress }) | undefined;
  readonly metrics:
    | {
        readonly address: ListenAddress;
        /** Nobody asked for it: when the port is in use, say so in one warning and go on. */
        readonly optional: boolean;
      }
    | undefined;
  readonly unixSocket: {
    readonly path: string;
    /** File mode, such as 0o770. */
    readonly mode: number;
  };
  /** Prefixes of proxies whose client address headers are believed. */
  readonly trustedProxies: readonly string[];
}

/** The relay (DERP) and STUN servers inside the control server. */
export interface EmbeddedRelayConfig {
  readonly regionId: number;
  readonly regionCode: string;
  readonly regionName: string;
  /** Admit only node keys of this tailnet. */
  readonly verifyClients: boolean;
  /** Created if missing. */
  readonly privateKeyPath: string;
  /** A TLS listener of its own; absent: it shares the control listener, whose URL is https. */
  readonly own: (CertificateFiles & { readonly address: ListenAddress }) | undefined;
  /** Absent: no STUN. */
  readonly stun: ListenAddress | undefined;
  /** Whether the region is put into the DERP map. */
  readonly addToMap: boolean;
  /** Name or IP literal that the DERP map gives clients. */
  readonly hostname: string;
  /** TLS port that the DERP map gives clients: that of `own`, or of the server URL. */
  readonly port: number;
  /** Addresses for the DERP map, so that clients need no DNS. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly maxClients: number;
  /** Of what one client may send; absent: unlimited. */
  readonly clientRateLimit:
    | { readonly bytesPerSecond: number; readonly burstBytes: number }
    | undefined;
}

export interface DerpConfig {
  /** Absent: no embedded relay. */
  readonly server: EmbeddedRelayConfig | undefined;
  /** JSON DERP maps, merged in order before `paths`. */
  readonly urls: readonly string[];
  /** YAML DERP map files, merged in order. */
  readonly paths: readonly string[];
  /** How often `urls` and `paths` are read again; absent: only at start. */
  readonly updateMs: number | undefined;
}

export interface DnsConfig {
  readonly magicDns: boolean;
  /** Nodes answer for the names below their own as well. */
  readonly magicDnsWildcard: boolean;
  /** Without dots at either end; empty only without MagicDNS. */
  readonly baseDomain: string;
  /** Clients use `nameservers` for everything, not only as a fallback. */
  readonly overrideLocalDns: boolean;
  /** `IP`, `IP:port` or an https URL. */
  readonly nameservers: readonly string[];
  /** Domain to its nameservers. */
  readonly splitNameservers: Readonly<Record<string, readonly string[]>>;
  readonly searchDomains: readonly string[];
  readonly extraRecords: readonly DnsRecord[];
  /** JSON file of records, watched; then `extraRecords` is empty. */
  readonly extraRecordsPath: string | undefined;
}

/** Who sees whom while no policy is set. */
export const PolicyDefault = { sameUser: 'same-user', allowAll: 'allow-all' } as const;
export type PolicyDefault = (typeof PolicyDefault)[keyof typeof PolicyDefault];

/** What one tailnet is: a server of several would have one of these for each. */
export interface TailnetConfig {
  readonly prefixes: {
    /** At least one of both. */
    readonly v4: string | undefined;
    readonly v6: string | undefined;
    readonly allocation: 'sequential' | 'random';
  };
  readonly dns: DnsConfig;
  readonly node: {
    /** Key expiry of a user's new node, unless the client asks for another; absent: never. */
    readonly expiryMs: number | undefined;
    /** How many nodes one user may have; 0: any number. */
    readonly maxPerUser: number;
    /** After which a disconnected ephemeral node is deleted. */
    readonly ephemeralInactivityMs: number;
    /** How often subnet routers that share a route are probed; absent: never. */
    readonly routeProbe: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
  };
  readonly preAuthKeys: {
    /** How long a revoked key stays listed. */
    readonly revokedRetentionMs: number;
  };
  readonly policy: {
    readonly default: PolicyDefault;
    /** Of the file that has the policy; `database`: it is kept in the database; absent: there is none. */
    readonly source: { readonly file: string } | 'database' | undefined;
  };
  /** False: clients are told not to upload their logs. */
  readonly logtail: { readonly enabled: boolean };
  readonly taildrop: { readonly enabled: boolean };
  /** Every client uses another UDP port at each start, whatever the policy says. */
  readonly randomizeClientPort: boolean;
  /** Whether new clients update themselves by default. */
  readonly autoUpdate: { readonly enabled: boolean };
}

/** The server's, and its tailnet's. */
export interface Config {
  /** Scheme, host and port as clients reach the server; no slash at the end. */
  readonly serverUrl: string;
  /** Where everything goes that has no path of its own. May not exist yet. */
  readonly dataDir: string;
  readonly listen: ListenConfig;
  readonly noise: {
    /** Created if missing. */
    readonly privateKeyPath: string;
  };
  readonly derp: DerpConfig;
  readonly tailnet: TailnetConfig;
  /** Logins that wait for an administrator. */
  readonly registerCache: { readonly maxEntries: number; readonly expirationMs: number };
  readonly database: {
    readonly path: string;
    readonly writeAheadLog: boolean;
    /** Pages; 0 never checkpoints by itself. */
    readonly walAutocheckpoint: number;
  };
  /** What carries HTTP/2 inside Noise. */
  readonly http2: 'own' | 'node';
  readonly log: { readonly level: LogLevel; readonly format: 'text' | 'json' };
  /** How the operator calls malla on this machine; absent: that is found out. */
  readonly call: string | undefined;
  /** How the command line reaches a server. */
  readonly cli: {
    /** Base URL of a remote server; absent: the local socket. */
    readonly address: string | undefined;
    readonly apiKey: string | undefined;
    readonly timeoutMs: number;
    /** Do not verify the remote certificate. */
    readonly insecure: boolean;
  };
}

/** Something to say about the configuration, and where. */
export interface ConfigProblem {
  /** Path of the file, name of the environment variable, or the flag. */
  readonly source: string;
  /** In a file, from 1. */
  readonly line: number | undefined;
  /** Dotted, such as `dns.base_domain`; absent when the whole file is meant. */
  readonly key: string | undefined;
  /** What is wrong and what is allowed. Never holds a secret. */
  readonly message: string;
}

/** Something that does not keep the server from starting. */
export interface ConfigNote extends ConfigProblem {
  /** `warning`: likely not what was meant, or harmful. `note`: good to know. */
  readonly level: 'warning' | 'note';
}

export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigNote[];
  /** Path of the file; absent: none was found and defaults serve. */
  readonly source: string | undefined;
  /** What sets a key, for what is found out about its value later. */
  readonly placeOf: (key: KeyName) => Pick<ConfigProblem, 'source' | 'line'>;
}
