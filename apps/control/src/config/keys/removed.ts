/**
 * Keys that are no longer, and what replaced them: headscale's removed and deprecated keys, so that
 * an old file is told what to write instead.
 */
import { isKeyName, type KeyName } from './table.ts';

export interface RemovedKey {
  /** Keys that took its place. Where one of them is set too, the old key is only worth a warning. */
  readonly replacedBy: readonly KeyName[];
  /** The old key's value is taken for the new key. */
  readonly honoured?: true;
  /** What to know besides, or instead. */
  readonly hint?: string;
}

const REMOVED: ReadonlyMap<string, RemovedKey> = new Map<string, RemovedKey>([
  [
    'dns.use_username_in_magic_dns',
    { replacedBy: [], hint: 'names of nodes never hold their user' },
  ],
  [
    'dns_config.use_username_in_magic_dns',
    { replacedBy: [], hint: 'names of nodes never hold their user' },
  ],
  [
    'oidc.strip_email_domain',
    { replacedBy: [], hint: 'users are told apart by what the provider calls them' },
  ],
  [
    'oidc.map_legacy_users',
    { replacedBy: [], hint: 'users are told apart by what the provider calls them' },
  ],
  [
    'randomize_client_port',
    { replacedBy: [], hint: 'it belongs in the policy, as randomizeClientPort' },
  ],
  ['oidc.expiry', { replacedBy: ['node.expiry'] }],
  ['acl_policy_path', { replacedBy: ['policy.path'] }],
  ['dns_config.magic_dns', { replacedBy: ['dns.magic_dns'] }],
  ['dns_config.base_domain', { replacedBy: ['dns.base_domain'] }],
  ['dns_config.override_local_dns', { replacedBy: ['dns.override_local_dns'] }],
  ['dns_config.nameservers', { replacedBy: ['dns.nameservers.global'] }],
  ['dns_config.restricted_nameservers', { replacedBy: ['dns.nameservers.split'] }],
  ['dns_config.domains', { replacedBy: ['dns.search_domains'] }],
  ['dns_config.extra_records', { replacedBy: ['dns.extra_records'] }],
  [
    'ephemeral_node_inactivity_timeout',
    { replacedBy: ['node.ephemeral.inactivity_timeout'], honoured: true },
  ],
]);

/** Keys whose new key, being set too, does not make them harmless: they are an error in any case. */
const ALWAYS_FATAL: ReadonlySet<string> = new Set(['oidc.expiry']);

export const REMOVED_NAMES: readonly string[] = [...REMOVED.keys()];

/** What became of a key; `undefined` if it never was one. */
export function removedKey(name: string): RemovedKey | undefined {
  const known = REMOVED.get(name);
  if (known !== undefined || !name.startsWith('dns_config.')) return known;
  const now = name.replace('dns_config.', 'dns.');
  return { replacedBy: isKeyName(now) ? [now] : [], hint: 'the section is called dns now' };
}

/** Whether a removed key keeps the server from starting. */
export function isFatal(
  name: string,
  removed: RemovedKey,
  isSet: (key: KeyName) => boolean,
): boolean {
  if (removed.honoured === true) return false;
  return ALWAYS_FATAL.has(name) || !removed.replacedBy.some(isSet);
}

/** What to tell who set it. */
export function describeRemoval({ replacedBy, honoured, hint }: RemovedKey): string {
  const instead = replacedBy.length === 0 ? '' : `: use ${replacedBy.join(', ')}`;
  const what = honoured === true ? 'deprecated' : 'no longer a key';
  return `${what}${instead}${hint === undefined ? '' : ` (${hint})`}`;
}
