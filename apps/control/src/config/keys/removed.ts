/**
 * Keys that are no longer, and what replaced them: those that headscale removed or deprecated over the
 * years, so that an old file is told what to write instead.
 */
import { isKeyName, type KeyName } from './table.ts';

export interface RemovedKey {
  /**
   * `fatal`: the server does not start, because ignoring the key would change what it does.
   * `unless-replaced`: fatal, unless one of the keys in its place is set too; then a warning.
   * `honoured`: a warning; the value is taken for the new key if that is not set.
   * `warning`: ignored, with a warning.
   */
  readonly severity: 'fatal' | 'unless-replaced' | 'honoured' | 'warning';
  /** Keys that took its place. */
  readonly replacedBy: readonly KeyName[];
  /** What to know besides, or instead. */
  readonly hint?: string;
}

const NO_USER_IN_NAMES: RemovedKey = {
  severity: 'fatal',
  replacedBy: [],
  hint: 'names of nodes never hold their user',
};
const NO_LEGACY_USERS: RemovedKey = {
  severity: 'fatal',
  replacedBy: [],
  hint: 'users are told apart by what the provider calls them',
};
const NO_GRPC: RemovedKey = {
  severity: 'warning',
  replacedBy: [],
  hint: 'there is no gRPC: remote administration uses the REST API on listen_addr',
};

function replacedBy(...names: readonly KeyName[]): RemovedKey {
  return { severity: 'unless-replaced', replacedBy: names };
}

const REMOVED: ReadonlyMap<string, RemovedKey> = new Map<string, RemovedKey>([
  ['dns.use_username_in_magic_dns', NO_USER_IN_NAMES],
  ['dns_config.use_username_in_magic_dns', NO_USER_IN_NAMES],
  ['oidc.strip_email_domain', NO_LEGACY_USERS],
  ['oidc.map_legacy_users', NO_LEGACY_USERS],
  ['oidc.expiry', { severity: 'fatal', replacedBy: ['node.expiry'] }],
  [
    'randomize_client_port',
    {
      severity: 'fatal',
      replacedBy: [],
      hint: 'remove it: it is a setting of the policy now, randomizeClientPort',
    },
  ],
  ['acl_policy_path', replacedBy('policy.path')],
  ['dns_config.magic_dns', replacedBy('dns.magic_dns')],
  ['dns_config.base_domain', replacedBy('dns.base_domain')],
  ['dns_config.override_local_dns', replacedBy('dns.override_local_dns')],
  ['dns_config.nameservers', replacedBy('dns.nameservers.global')],
  ['dns_config.restricted_nameservers', replacedBy('dns.nameservers.split')],
  ['dns_config.domains', replacedBy('dns.search_domains')],
  ['dns_config.extra_records', replacedBy('dns.extra_records')],
  [
    'ephemeral_node_inactivity_timeout',
    { severity: 'honoured', replacedBy: ['node.ephemeral.inactivity_timeout'] },
  ],
  ['grpc_listen_addr', NO_GRPC],
  ['grpc_allow_insecure', NO_GRPC],
  [
    'node_update_check_interval',
    { severity: 'warning', replacedBy: [], hint: 'clients are told of changes at once' },
  ],
  [
    'tls_client_auth_mode',
    { severity: 'fatal', replacedBy: [], hint: 'client certificates are never asked for' },
  ],
  ['private_key_path', replacedBy('noise.private_key_path')],
  ['ip_prefixes', replacedBy('prefixes.v4', 'prefixes.v6')],
  ['log_level', replacedBy('log.level')],
  ['db_type', replacedBy('database.type')],
  ['db_path', replacedBy('database.sqlite.path')],
  ['db_host', replacedBy('database.postgres.host')],
  ['db_port', replacedBy('database.postgres.port')],
  ['db_name', replacedBy('database.postgres.name')],
  ['db_user', replacedBy('database.postgres.user')],
  ['db_pass', replacedBy('database.postgres.pass')],
  ['db_ssl', replacedBy('database.postgres.ssl')],
]);

export const REMOVED_NAMES: readonly string[] = [...REMOVED.keys()];

/** What became of a key; `undefined` if it never was one. */
export function removedKey(name: string): RemovedKey | undefined {
  const known = REMOVED.get(name);
  if (known !== undefined || !name.startsWith('dns_config.')) return known;
  const now = name.replace('dns_config.', 'dns.');
  const names = isKeyName(now) ? [now] : [];
  return { severity: 'unless-replaced', replacedBy: names, hint: 'the section is called dns now' };
}

/** Whether it keeps the server from starting. */
export function isFatal(removed: RemovedKey, isSet: (key: KeyName) => boolean): boolean {
  if (removed.severity === 'fatal') return true;
  return removed.severity === 'unless-replaced' && !removed.replacedBy.some(isSet);
}

/** What to tell who set it. */
export function describeRemoval({ severity, replacedBy: names, hint }: RemovedKey): string {
  const what = severity === 'honoured' || severity === 'warning' ? 'deprecated' : 'no longer a key';
  const instead = names.length === 0 ? '' : `: use ${names.join(' and ')}`;
  return `${what}${instead}${hint === undefined ? '' : ` (${hint})`}`;
}
