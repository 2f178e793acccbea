/** Puts together what the tailnet is: prefixes, names, how long nodes last, and where its policy is. */
import { containsPrefix, formatPrefix, type Prefix } from '@malla/ip/prefix';
import { CGNAT, TAILNET_ULA } from '@malla/ip/special';
import type { DnsRecord } from '@malla/netmap/dns-record';
import { isKnownDoh } from '@malla/netmap/doh';
import type { DnsConfig, TailnetConfig } from './config.ts';
import type { ExtraRecord } from './kind.ts';
import type { KeyName } from './keys/table.ts';
import type { Settings } from './settings.ts';

/** A client that reconnects within this time was never away. */
const MIN_EPHEMERAL_MS = 65_000;
const MIN_PROBE_INTERVAL_MS = 2_000;
const MIN_PROBE_TIMEOUT_MS = 1_000;

/** `serverHost` is the host of the server's URL, which no name of a node may hide. */
export function assembleTailnet(settings: Settings, serverHost: string): TailnetConfig {
  return {
    prefixes: assemblePrefixes(settings),
    dns: assembleDns(settings, serverHost),
    node: assembleNode(settings),
    preAuthKeys: { revokedRetentionMs: settings.get('preauth_keys.revoked_retention') },
    policy: assemblePolicy(settings),
    logtail: { enabled: settings.get('logtail.enabled') },
    taildrop: { enabled: settings.get('taildrop.enabled') },
    randomizeClientPort: assembleRandomPort(settings),
    autoUpdate: { enabled: settings.get('auto_update.enabled') },
  };
}

function assemblePrefixes(settings: Settings): TailnetConfig['prefixes'] {
  const v4 = checkPrefix(settings, 'prefixes.v4', CGNAT);
  const v6 = checkPrefix(settings, 'prefixes.v6', TAILNET_ULA);
  const neither = v4 === undefined && v6 === undefined;
  return {
    v4: neither ? formatPrefix(CGNAT) : v4,
    v6: neither ? formatPrefix(TAILNET_ULA) : v6,
    allocation: settings.get('prefixes.allocation'),
  };
}

function checkPrefix(
  settings: Settings,
  name: 'prefixes.v4' | 'prefixes.v6',
  expected: Prefix,
): string | undefined {
  const prefix = settings.get(name);
  if (prefix === undefined) return undefined;
  const text = formatPrefix(prefix);
  const { family } = expected.network;
  if (prefix.network.family !== family) {
    settings.problem(name, `${text} is not an IPv${family} prefix`);
  } else if (!containsPrefix(expected, prefix)) {
    settings.warn(
      name,
      `${text} is outside ${formatPrefix(expected)}, which clients take for the tailnet: routing, filters and DNS on them may fail`,
    );
  }
  return text;
}

function assembleDns(settings: Settings, serverHost: string): DnsConfig {
  const magicDns = settings.get('dns.magic_dns');
  const nameservers = settings.get('dns.nameservers.global');
  const baseDomain = settings.get('dns.base_domain');
  checkBaseDomain(settings, baseDomain, magicDns, serverHost);
  const splitNameservers = settings.get('dns.nameservers.split');
  checkDoh(settings, 'dns.nameservers.global', nameservers);
  checkDoh(settings, 'dns.nameservers.split', Object.values(splitNameservers).flat());
  const override = settings.get('dns.override_local_dns');
  const none = nameservers.length === 0 && !settings.isBroken('dns.nameservers.global');
  if (override === true && none) {
    settings.problem(
      'dns.override_local_dns',
      'needs dns.nameservers.global: clients would have no name servers',
    );
  }
  return {
    magicDns,
    magicDnsWildcard: checkWildcard(settings, magicDns),
    baseDomain,
    overrideLocalDns: override ?? nameservers.length > 0,
    nameservers,
    splitNameservers,
    searchDomains: settings.get('dns.search_domains'),
    ...assembleExtraRecords(settings),
  };
}

/** Top level domains for which devices ask no name server. RFC 6762 §3, RFC 6761 §6.3 and §6.4, RFC 7686 §2, RFC 9476. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['local', 'devices ask the local network for it (mDNS)'],
  ['localhost', 'it is each device itself'],
  ['onion', 'it is for Tor'],
  ['invalid', 'it never exists'],
  ['alt', 'it is for names outside of the DNS'],
]);

function checkBaseDomain(
  settings: Settings,
  domain: string,
  magicDns: boolean,
  serverHost: string,
): void {
  if (settings.isBroken('dns.base_domain')) return;
  if (domain === '') {
    if (magicDns) settings.problem('dns.base_domain', 'required while dns.magic_dns is true');
    return;
  }
  const reserved = RESERVED.get(domain.slice(domain.lastIndexOf('.') + 1).toLowerCase());
  if (reserved !== undefined) {
    settings.warn(
      'dns.base_domain',
      `${domain} is reserved: ${reserved}, so names of nodes may not be found. Take a domain of your own, or one below home.arpa or internal`,
    );
  }
  if (`.${serverHost.toLowerCase()}`.endsWith(`.${domain}`)) {
    settings.problem(
      'dns.base_domain',
      `${domain} holds the host of server_url, ${serverHost}: clients would look for the server inside the tailnet`,
    );
  }
}

function assembleExtraRecords(
  settings: Settings,
): Pick<DnsConfig, 'extraRecords' | 'extraRecordsPath'> {
  const extraRecords = settings.get('dns.extra_records');
  const extraRecordsPath = settings.path('dns.extra_records_path');
  if (extraRecords.length > 0 && extraRecordsPath !== undefined) {
    settings.problem(
      'dns.extra_records_path',
      'and dns.extra_records: only one of both may be set',
    );
  }
  const unserved = extraRecords.filter((record) => 'unserved' in record);
  for (const { name, unserved: why } of unserved.slice(0, MAX_LEFT_OUT)) {
    settings.warn('dns.extra_records', `${why}: ${name} is left out`);
  }
  return { extraRecords: extraRecords.filter(isServed), extraRecordsPath };
}

/** Records left out that are told of; more say nothing new. */
const MAX_LEFT_OUT = 20;

function isServed(record: ExtraRecord): record is DnsRecord {
  return !('unserved' in record);
}

function checkWildcard(settings: Settings, magicDns: boolean): boolean {
  const wildcard = settings.get('dns.magic_dns_wildcard');
  if (wildcard && !magicDns) {
    settings.problem('dns.magic_dns_wildcard', 'needs dns.magic_dns: nodes have no names without');
  }
  return wildcard;
}

function checkDoh(settings: Settings, key: KeyName, nameservers: readonly string[]): void {
  const unknown = nameservers.find((server) => /^https:/i.test(server) && !isKnownDoh(server));
  if (unknown === undefined) return;
  settings.warn(
    key,
    `clients do DNS over HTTPS only with providers whose addresses are built into them; they will never ask ${unknown}`,
  );
}

function assembleNode(settings: Settings): TailnetConfig['node'] {
  const expiryMs = settings.get('node.expiry');
  const ephemeralInactivityMs = settings.get('node.ephemeral.inactivity_timeout');
  if (ephemeralInactivityMs <= MIN_EPHEMERAL_MS) {
    settings.problem('node.ephemeral.inactivity_timeout', 'must be more than 65s');
  }
  return {
    expiryMs: expiryMs === 0 ? undefined : expiryMs,
    maxPerUser: settings.get('node.max_per_user'),
    ephemeralInactivityMs,
    routeProbe: assembleProbe(settings),
  };
}

function assembleProbe(settings: Settings): TailnetConfig['node']['routeProbe'] {
  const intervalKey: KeyName = 'node.routes.ha.probe_interval';
  const timeoutKey: KeyName = 'node.routes.ha.probe_timeout';
  const timeoutMs = settings.get(timeoutKey);
  // A configuration for headscale may set the timeout alone, longer than our interval.
  const intervalMs = settings.isSet(intervalKey)
    ? settings.get(intervalKey)
    : Math.max(settings.get(intervalKey), timeoutMs);
  if (intervalMs === 0) return undefined;
  if (intervalMs < MIN_PROBE_INTERVAL_MS) {
    settings.problem(intervalKey, 'must be at least 2s, or 0 for never');
  }
  if (timeoutMs < MIN_PROBE_TIMEOUT_MS) settings.problem(timeoutKey, 'must be at least 1s');
  if (timeoutMs > intervalMs) settings.problem(timeoutKey, `must be at most ${intervalKey}`);
  return { intervalMs, timeoutMs };
}

function assemblePolicy(settings: Settings): TailnetConfig['policy'] {
  const isOwn = settings.origin === 'none' && !settings.isMovedIn;
  if (!settings.isSet('policy.default') && !isOwn) {
    settings.note(
      'policy.default',
      'not set: devices of one user see each other, those of different users do not. Headscale lets everybody see everybody; for that, set it to allow-all',
    );
  }
  const file = settings.path('policy.path');
  // Who says nothing has no file: then a policy can be set without another word.
  const mode = settings.get('policy.mode') ?? (file === undefined ? 'database' : 'file');
  const inDatabase = mode === 'database';
  if (inDatabase && file !== undefined) {
    settings.note('policy.path', 'has no effect: policy.mode is database');
  } else if (!inDatabase && file === undefined && !settings.isBroken('policy.path')) {
    settings.warn(
      'policy.mode',
      'is file, but policy.path names none: there is no policy, and none can be set by command. Name a file, or leave policy.mode out',
    );
  }
  return {
    default: settings.get('policy.default'),
    source: inDatabase ? 'database' : file === undefined ? undefined : { file },
  };
}

/** Any word about it says where it is set now, as every older example file has it. */
function assembleRandomPort(settings: Settings): boolean {
  const key: KeyName = 'randomize_client_port';
  const isOn = settings.get(key);
  const now = 'this is a setting of the policy now, "randomizeClientPort": true';
  if (isOn) settings.warn(key, `deprecated, and still obeyed: ${now}`);
  else if (settings.isSet(key)) settings.note(key, `can be left out: ${now}; it is off by default`);
  return isOn;
}
