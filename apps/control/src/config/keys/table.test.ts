import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { removedKey } from './removed.ts';
import { isKeyName, isSection, KEY_NAMES, keyOf } from './table.ts';

/** Every key that headscale 0.29.2 and its 0.30 development version read. */
const HEADSCALE_KEYS = `
  server_url listen_addr metrics_listen_addr trusted_proxies noise.private_key_path
  prefixes.v4 prefixes.v6 prefixes.allocation
  derp.server.enabled derp.server.region_id derp.server.region_code derp.server.region_name
  derp.server.verify_clients derp.server.stun_listen_addr derp.server.private_key_path
  derp.server.automatically_add_embedded_derp_region derp.server.ipv4 derp.server.ipv6
  derp.server.stun.enabled derp.urls derp.paths derp.auto_update_enabled derp.update_frequency
  disable_check_updates node.expiry node.ephemeral.inactivity_timeout
  node.routes.ha.probe_interval node.routes.ha.probe_timeout preauth_keys.revoked_retention
  database.type database.debug database.gorm.prepare_stmt database.gorm.parameterized_queries
  database.gorm.skip_err_record_not_found database.gorm.slow_threshold
  database.sqlite.path database.sqlite.write_ahead_log database.sqlite.wal_autocheckpoint
  database.postgres.host database.postgres.port database.postgres.name database.postgres.user
  database.postgres.pass database.postgres.ssl database.postgres.max_open_conns
  database.postgres.max_idle_conns database.postgres.conn_max_idle_time_secs
  acme_url acme_email tls_letsencrypt_hostname tls_letsencrypt_cache_dir
  tls_letsencrypt_challenge_type tls_letsencrypt_listen tls_cert_path tls_key_path
  log.level log.format policy.mode policy.path
  dns.magic_dns dns.base_domain dns.override_local_dns dns.nameservers.global
  dns.nameservers.split dns.search_domains dns.extra_records dns.extra_records_path
  unix_socket unix_socket_permission
  oidc.only_start_if_oidc_is_available oidc.issuer oidc.client_id oidc.client_secret
  oidc.client_secret_path oidc.scope oidc.extra_params oidc.allowed_domains oidc.allowed_users
  oidc.allowed_groups oidc.email_verified_required oidc.use_expiry_from_token
  oidc.pkce.enabled oidc.pkce.method
  randomize_client_port logtail.enabled taildrop.enabled auto_update.enabled
  cli.address cli.api_key cli.timeout cli.insecure
  tuning.batch_change_delay tuning.batcher_workers tuning.node_mapsession_buffered_chan_size
  tuning.node_store_batch_size tuning.node_store_batch_timeout
  tuning.register_cache_max_entries tuning.register_cache_expiration
  tuning.notifier_send_timeout grpc_listen_addr grpc_allow_insecure`
  .trim()
  .split(/\s+/);

describe('key table', () => {
  test('every key of headscale is known', () => {
    for (const name of HEADSCALE_KEYS) {
      assert.ok(isKeyName(name) || removedKey(name) !== undefined, name);
    }
  });

  test('every key that headscale does not have is marked as our own', () => {
    const own = KEY_NAMES.filter((name) => !HEADSCALE_KEYS.includes(name));
    assert.deepEqual(
      own,
      KEY_NAMES.filter((name) => keyOf(name).own === true),
    );
  });

  test('no key is also a section', () => {
    assert.deepEqual(KEY_NAMES.filter(isSection), []);
  });

  test('every key says what it means in sentences', () => {
    for (const name of KEY_NAMES) assert.match(keyOf(name).doc, /[.)]$/, name);
  });
});
