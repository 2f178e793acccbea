import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeRemoval, isFatal, removedKey, REMOVED_NAMES } from './removed.ts';

const MESSAGES: Readonly<Record<string, string>> = {
  'dns.use_username_in_magic_dns': 'no longer a key (names of nodes never hold their user)',
  'dns_config.use_username_in_magic_dns': 'no longer a key (names of nodes never hold their user)',
  'oidc.strip_email_domain':
    'no longer a key (users are told apart by what the provider calls them)',
  'oidc.map_legacy_users': 'no longer a key (users are told apart by what the provider calls them)',
  'oidc.expiry': 'no longer a key: use node.expiry',
  randomize_client_port:
    'no longer a key (remove it: it is a setting of the policy now, randomizeClientPort)',
  acl_policy_path: 'no longer a key: use policy.path',
  'dns_config.magic_dns': 'no longer a key: use dns.magic_dns',
  'dns_config.base_domain': 'no longer a key: use dns.base_domain',
  'dns_config.override_local_dns': 'no longer a key: use dns.override_local_dns',
  'dns_config.nameservers': 'no longer a key: use dns.nameservers.global',
  'dns_config.restricted_nameservers': 'no longer a key: use dns.nameservers.split',
  'dns_config.domains': 'no longer a key: use dns.search_domains',
  'dns_config.extra_records': 'no longer a key: use dns.extra_records',
  ephemeral_node_inactivity_timeout: 'deprecated: use node.ephemeral.inactivity_timeout',
  grpc_listen_addr:
    'deprecated (there is no gRPC: remote administration uses the REST API on listen_addr)',
  grpc_allow_insecure:
    'deprecated (there is no gRPC: remote administration uses the REST API on listen_addr)',
  node_update_check_interval: 'deprecated (clients are told of changes at once)',
  tls_client_auth_mode: 'no longer a key (client certificates are never asked for)',
  private_key_path: 'no longer a key: use noise.private_key_path',
  ip_prefixes: 'no longer a key: use prefixes.v4 and prefixes.v6',
  log_level: 'no longer a key: use log.level',
  db_type: 'no longer a key: use database.type',
  db_path: 'no longer a key: use database.sqlite.path',
  db_host: 'no longer a key: use database.postgres.host',
  db_port: 'no longer a key: use database.postgres.port',
  db_name: 'no longer a key: use database.postgres.name',
  db_user: 'no longer a key: use database.postgres.user',
  db_pass: 'no longer a key: use database.postgres.pass',
  db_ssl: 'no longer a key: use database.postgres.ssl',
};

function messageOf(name: string): string {
  const removed = removedKey(name);
  assert.ok(removed, name);
  return describeRemoval(removed);
}

function isFatalWith(name: string, set: readonly string[]): boolean {
  const removed = removedKey(name);
  assert.ok(removed, name);
  return isFatal(removed, (key) => set.includes(key));
}

describe('removed key', () => {
  test('each says what to write instead', () => {
    const messages = REMOVED_NAMES.map((name) => [name, messageOf(name)]);
    assert.deepEqual(Object.fromEntries(messages), MESSAGES);
  });

  test('any other key of the old section dns_config is sent to dns', () => {
    assert.equal(
      messageOf('dns_config.extra_records_path'),
      'no longer a key: use dns.extra_records_path (the section is called dns now)',
    );
  });

  test('those that would change what the server does are fatal whatever else is set', () => {
    for (const name of ['randomize_client_port', 'oidc.expiry', 'dns.use_username_in_magic_dns']) {
      assert.equal(isFatalWith(name, ['node.expiry']), true, name);
    }
  });

  test('a renamed key is fatal until the new one is set', () => {
    assert.equal(isFatalWith('acl_policy_path', []), true);
    assert.equal(isFatalWith('acl_policy_path', ['policy.path']), false);
  });

  test('a deprecated key is only warned about', () => {
    assert.equal(isFatalWith('grpc_listen_addr', []), false);
    assert.equal(isFatalWith('ephemeral_node_inactivity_timeout', []), false);
  });
});
