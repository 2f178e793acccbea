import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configOf, notesOf, problemsOf } from '../../testing/configuration.ts';
import type { Config } from '../config.ts';
import { describeRemoval, removedKey, REMOVED_NAMES } from './removed.ts';

const MESSAGES: Readonly<Record<string, string>> = {
  'dns.use_username_in_magic_dns': 'no longer a key (names of nodes never hold their user)',
  'dns_config.use_username_in_magic_dns': 'no longer a key (names of nodes never hold their user)',
  'oidc.strip_email_domain':
    'no longer a key (users are told apart by what the provider calls them)',
  'oidc.map_legacy_users': 'no longer a key (users are told apart by what the provider calls them)',
  'oidc.expiry': 'no longer a key: use node.expiry',
  'oidc.enabled': 'has no effect: oidc.issuer decides',
  acl_policy_path: 'deprecated: use policy.path',
  'dns_config.magic_dns': 'deprecated: use dns.magic_dns',
  'dns_config.base_domain': 'deprecated: use dns.base_domain',
  'dns_config.override_local_dns': 'deprecated: use dns.override_local_dns',
  'dns_config.nameservers': 'deprecated: use dns.nameservers.global',
  'dns_config.restricted_nameservers': 'deprecated: use dns.nameservers.split',
  'dns_config.domains': 'deprecated: use dns.search_domains',
  'dns_config.search_domains': 'deprecated: use dns.search_domains',
  'dns_config.extra_records': 'deprecated: use dns.extra_records',
  'dns_config.extra_records_path': 'deprecated: use dns.extra_records_path',
  ephemeral_node_inactivity_timeout: 'deprecated: use node.ephemeral.inactivity_timeout',
  grpc_listen_addr:
    'has no effect: there is no gRPC: remote administration uses the REST API on listen_addr',
  grpc_allow_insecure:
    'has no effect: there is no gRPC: remote administration uses the REST API on listen_addr',
  node_update_check_interval: 'has no effect: clients are told of changes at once',
  'tuning.register_cache_cleanup': 'has no effect: logins that wait end when they are due',
  tls_client_auth_mode: 'no longer a key (client certificates are never asked for)',
  private_key_path: 'has no effect: it was for clients before 1.32; noise.private_key_path counts',
  ip_prefixes: 'deprecated: use prefixes.v4 and prefixes.v6',
  ip_prefix: 'deprecated: use prefixes.v4 and prefixes.v6',
  log_level: 'deprecated: use log.level',
  db_type: 'deprecated: use database.type',
  db_path: 'deprecated: use database.sqlite.path',
  db_host: 'deprecated: use database.postgres.host',
  db_port: 'deprecated: use database.postgres.port',
  db_name: 'deprecated: use database.postgres.name',
  db_user: 'deprecated: use database.postgres.user',
  db_pass: 'deprecated: use database.postgres.pass',
  db_ssl: 'deprecated: use database.postgres.ssl',
};

/** Everything wrong with a file, in lines. */
function problemsIn(lines: string): string {
  return problemsOf(lines).join('\n');
}

describe('removed key', () => {
  test('each says what became of it', () => {
    const messages = REMOVED_NAMES.map((name) => {
      const removed = removedKey(name);
      return [name, removed && describeRemoval(removed)];
    });
    assert.deepEqual(Object.fromEntries(messages), MESSAGES);
  });

  test('one that has another name now is taken for it, and loses to it', () => {
    const values: readonly (readonly [string, (config: Config) => unknown, unknown])[] = [
      [
        'acl_policy_path: /acl.hujson',
        ({ tailnet }) => tailnet.policy.source,
        { file: '/acl.hujson' },
      ],
      ['dns_config: {magic_dns: false}', ({ tailnet }) => tailnet.dns.magicDns, false],
      [
        'dns_config: {base_domain: a.example}',
        ({ tailnet }) => tailnet.dns.baseDomain,
        'a.example',
      ],
      [
        'dns_config: {nameservers: [1.1.1.1]}',
        ({ tailnet }) => tailnet.dns.nameservers,
        ['1.1.1.1'],
      ],
      [
        'dns_config: {restricted_nameservers: {corp.example: [10.0.0.1]}}',
        ({ tailnet }) => tailnet.dns.splitNameservers,
        { 'corp.example': ['10.0.0.1'] },
      ],
      [
        'dns_config: {domains: [a.example]}',
        ({ tailnet }) => tailnet.dns.searchDomains,
        ['a.example'],
      ],
      [
        'dns_config: {extra_records: [{name: a.example, type: A, value: 100.64.0.1}]}',
        ({ tailnet }) => tailnet.dns.extraRecords,
        [{ name: 'a.example', type: 'A', value: '100.64.0.1' }],
      ],
      [
        'dns_config: {nameservers: [1.1.1.1], override_local_dns: false}',
        ({ tailnet }) => tailnet.dns.overrideLocalDns,
        false,
      ],
      [
        'ephemeral_node_inactivity_timeout: 5m',
        ({ tailnet }) => tailnet.node.ephemeralInactivityMs,
        300_000,
      ],
      ['log_level: debug', ({ log }) => log.level, 'debug'],
      ['db_path: /var/lib/h/db.sqlite', ({ database }) => database.path, '/var/lib/h/db.sqlite'],
    ];
    for (const [lines, read, expected] of values) {
      assert.deepEqual(read(configOf(`${lines}\n`)), expected, lines);
      assert.match(notesOf(`${lines}\n`).join(), /^warning: \S+: deprecated: use \S+, for which/);
    }
    const both = 'dns.base_domain: a.example\ndns_config:\n  base_domain: b.example\n';
    assert.equal(configOf(both).tailnet.dns.baseDomain, 'a.example');
    assert.deepEqual(notesOf(both), [
      'warning: dns_config.base_domain: deprecated: use dns.base_domain; ignored, as that is set',
    ]);
  });

  test('a value that was good for the old name is judged like one for the new', () => {
    assert.match(problemsIn('db_type: postgres\n'), /^database\.type: .*not built yet/);
    assert.match(problemsIn('dns_config: {base_domain: acme.dev}\n'), /dns\.base_domain: .*holds/);
  });

  test('prefixes of both families find their places', () => {
    for (const text of [
      'ip_prefixes: [fd7a:115c:a1e0:1::/64, 100.64.1.0/24]',
      'ip_prefixes: 100.64.1.0/24 fd7a:115c:a1e0:1::/64',
    ]) {
      const { v4, v6 } = configOf(`${text}\n`).tailnet.prefixes;
      assert.deepEqual([v4, v6], ['100.64.1.0/24', 'fd7a:115c:a1e0:1::/64'], text);
    }
    const { v4, v6 } = configOf('ip_prefix: 100.64.1.0/24\n').tailnet.prefixes;
    assert.deepEqual([v4, v6], ['100.64.1.0/24', undefined]);
  });

  test('no message holds a password', () => {
    const lines = 'db_pass: s3cret\ndb_type: sqlite3\n';
    assert.doesNotMatch(notesOf(lines).join(), /s3cret/);
  });

  test('one without effect is a note', () => {
    assert.deepEqual(notesOf('grpc_listen_addr: 127.0.0.1:50443\nprivate_key_path: /k\n'), [
      `note: grpc_listen_addr: ${MESSAGES['grpc_listen_addr']}`,
      `note: private_key_path: ${MESSAGES['private_key_path']}`,
    ]);
  });

  test('one that asks for what happens anyway, or cannot matter, is a note', () => {
    for (const line of [
      'dns.use_username_in_magic_dns: false',
      'dns_config.use_username_in_magic_dns: false',
      'oidc.map_legacy_users: false',
      'oidc.strip_email_domain: true',
      'oidc.expiry: 180d',
      'tls_client_auth_mode: relaxed',
    ]) {
      assert.match(
        notesOf(`${line}\n`).join(),
        /^note: \S+: no longer a key.*(?:that is not so|as oidc\.issuer is not set)$/,
        line,
      );
    }
  });

  test('one that would change what the server does is refused', () => {
    assert.match(problemsIn('dns.use_username_in_magic_dns: true\n'), /names of nodes never hold/);
    assert.match(problemsIn('tls_client_auth_mode: enforced\n'), /never asked for/);
    const oidc =
      'oidc: {issuer: "https://a.example", client_id: a, client_secret: b, expiry: 5d}\n';
    assert.match(problemsIn(oidc), /oidc\.expiry: no longer a key: use node\.expiry/);
  });
});

describe('randomize_client_port', () => {
  test('off is a note, on is obeyed with a warning; both name the setting of the policy', () => {
    assert.equal(configOf('').tailnet.randomizeClientPort, false);
    const off = 'randomize_client_port: false\n';
    assert.equal(configOf(off).tailnet.randomizeClientPort, false);
    assert.match(
      notesOf(off).join(),
      /^note: randomize_client_port: .*"randomizeClientPort"[^,]*$/,
    );
    const on = 'randomize_client_port: true\n';
    assert.equal(configOf(on).tailnet.randomizeClientPort, true);
    assert.match(notesOf(on).join(), /^warning: randomize_client_port: .*"randomizeClientPort"/);
  });
});
