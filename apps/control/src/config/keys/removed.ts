/**
 * Keys that are no longer, and what replaced them: those that headscale removed, renamed or deprecated
 * over the years. A file of any age is understood: what has only another name now is taken for it.
 */
import type { KeyName } from './table.ts';

export interface RemovedKey {
  /**
   * `fatal`: the server does not start, because ignoring the key would change what it does.
   * `honoured`: the value is taken for the new key, with a warning, if that is not set.
   * `note`: the key has no effect, and nothing depends on it.
   */
  readonly severity: 'fatal' | 'honoured' | 'note';
  /** Keys that took its place. Of several, each address family has its own. */
  readonly replacedBy: readonly KeyName[];
  /** What to know besides, or instead. */
  readonly hint?: string;
  /** Values that ask for what happens anyway. */
  readonly harmless?: RegExp;
  /** The key without which this one had no effect. */
  readonly only?: KeyName;
}

const FALSE = /^(?:false|f|0)$/i;

const NO_USER_IN_NAMES: RemovedKey = {
  severity: 'fatal',
  replacedBy: [],
  hint: 'names of nodes never hold their user',
  harmless: FALSE,
};
const NO_LEGACY_USERS: RemovedKey = {
  severity: 'fatal',
  replacedBy: [],
  hint: 'users are told apart by what the provider calls them',
  harmless: FALSE,
  only: 'oidc.issuer',
};
const NO_GRPC = withoutEffect(
  'there is no gRPC: remote administration uses the REST API on listen_addr',
);

function renamed(...names: readonly KeyName[]): RemovedKey {
  return { severity: 'honoured', replacedBy: names };
}

function withoutEffect(hint: string): RemovedKey {
  return { severity: 'note', replacedBy: [], hint };
}

const REMOVED: ReadonlyMap<string, RemovedKey> = new Map<string, RemovedKey>([
  ['dns.use_username_in_magic_dns', NO_USER_IN_NAMES],
  ['dns_config.use_username_in_magic_dns', NO_USER_IN_NAMES],
  ['oidc.strip_email_domain', NO_LEGACY_USERS],
  ['oidc.map_legacy_users', NO_LEGACY_USERS],
  ['oidc.expiry', { severity: 'fatal', replacedBy: ['node.expiry'], only: 'oidc.issuer' }],
  ['oidc.enabled', withoutEffect('oidc.issuer decides')],
  ['acl_policy_path', renamed('policy.path')],
  ['dns_config.magic_dns', renamed('dns.magic_dns')],
  ['dns_config.base_domain', renamed('dns.base_domain')],
  ['dns_config.override_local_dns', renamed('dns.override_local_dns')],
  ['dns_config.nameservers', renamed('dns.nameservers.global')],
  ['dns_config.restricted_nameservers', renamed('dns.nameservers.split')],
  ['dns_config.domains', renamed('dns.search_domains')],
  ['dns_config.search_domains', renamed('dns.search_domains')],
  ['dns_config.extra_records', renamed('dns.extra_records')],
  ['dns_config.extra_records_path', renamed('dns.extra_records_path')],
  ['ephemeral_node_inactivity_timeout', renamed('node.ephemeral.inactivity_timeout')],
  ['grpc_listen_addr', NO_GRPC],
  ['grpc_allow_insecure', NO_GRPC],
  ['node_update_check_interval', withoutEffect('clients are told of changes at once')],
  ['tuning.register_cache_cleanup', withoutEffect('logins that wait end when they are due')],
  [
    'tls_client_auth_mode',
    {
      severity: 'fatal',
      replacedBy: [],
      hint: 'client certificates are never asked for',
      harmless: /^(?:relaxed|disabled)$/i,
    },
  ],
  [
    'private_key_path',
    withoutEffect('it was for clients before 1.32; noise.private_key_path counts'),
  ],
  ['ip_prefixes', renamed('prefixes.v4', 'prefixes.v6')],
  ['ip_prefix', renamed('prefixes.v4', 'prefixes.v6')],
  ['log_level', renamed('log.level')],
  ['db_type', renamed('database.type')],
  ['db_path', renamed('database.sqlite.path')],
  ['db_host', renamed('database.postgres.host')],
  ['db_port', renamed('database.postgres.port')],
  ['db_name', renamed('database.postgres.name')],
  ['db_user', renamed('database.postgres.user')],
  ['db_pass', renamed('database.postgres.pass')],
  ['db_ssl', renamed('database.postgres.ssl')],
]);

export const REMOVED_NAMES: readonly string[] = [...REMOVED.keys()];

/** What became of a key; `undefined` if it never was one. */
export function removedKey(name: string): RemovedKey | undefined {
  return REMOVED.get(name);
}

/** Whether the text names a group of such keys, and of no others. */
export function isRemovedSection(name: string): boolean {
  return name === 'dns_config';
}

/** What there is to know of it. */
export function describeRemoval({ severity, replacedBy, hint }: RemovedKey): string {
  const instead = replacedBy.length === 0 ? '' : `: use ${replacedBy.join(' and ')}`;
  switch (severity) {
    case 'fatal':
      return `no longer a key${instead}${hint === undefined ? '' : ` (${hint})`}`;
    case 'honoured':
      return `deprecated${instead}`;
    case 'note':
      return `has no effect: ${hint ?? 'it is no longer a key'}`;
  }
}
