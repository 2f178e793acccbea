import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEY_NAMES, SECTION_NAMES } from './keys/table.ts';
import { describeUnknown } from './unknown.ts';

/** The key that is meant by one that is refused. */
function meantBy(key: string, isSection = false): string | undefined {
  const { isMisspelled, message } = describeUnknown(key, isSection);
  return isMisspelled ? askedFor(message) : undefined;
}

function askedFor(message: string): string | undefined {
  return /did you mean (\S+)\?$/.exec(message)?.[1];
}

describe('an unknown key', () => {
  test('that is a known one with a letter or two wrong is refused with the one that is meant', () => {
    for (const [key, meant] of [
      ['server_ulr', 'server_url'],
      ['dns.base_domian', 'dns.base_domain'],
      ['dns.extra_records_pth', 'dns.extra_records_path'],
      ['listen_addres', 'listen_addr'],
      ['serverurl', 'server_url'],
      ['listen-addr', 'listen_addr'],
      ['dns_base_domain', 'dns.base_domain'],
      ['derp.server.enable', 'derp.server.enabled'],
      ['derp.url', 'derp.urls'],
      ['oidc.allowed_group', 'oidc.allowed_groups'],
      ['oidc.allow_users', 'oidc.allowed_users'],
      ['acl_policy_pth', 'acl_policy_path'],
    ] as const) {
      assert.equal(meantBy(key), meant, key);
    }
  });

  test('that differs by more, or stands elsewhere, is only asked about: headscale starts with it', () => {
    for (const [key, meant] of [
      ['derp.server.tls_enabled', 'derp.server.enabled'],
      ['derp.server.urls', 'derp.urls'],
      ['disable_check_for_updates', 'disable_check_updates'],
      ['database.postgres.conn_max_idle_time', 'database.postgres.conn_max_idle_time_secs'],
      ['listen_address', 'listen_addr'],
      ['metrics_listen_address', 'metrics_listen_addr'],
      ['tls_cert', 'tls_cert_path'],
      ['noise.private_key', 'noise.private_key_path'],
      ['trusted_proxy', 'trusted_proxies'],
      ['base_domain', 'dns.base_domain'],
      ['magic_dns', 'dns.magic_dns'],
      ['dns.global', 'dns.nameservers.global'],
      ['log.server_url', 'server_url'],
    ] as const) {
      const { isMisspelled, message } = describeUnknown(key, false);
      assert.equal(isMisspelled, false, key);
      assert.equal(message, `unknown key, ignored: did you mean ${meant}?`);
    }
  });

  test('a section is compared with sections', () => {
    for (const [key, meant] of [
      ['dsn', 'dns'],
      ['odic', 'oidc'],
      ['derp.sever', 'derp.server'],
      ['dns.nameserver', 'dns.nameservers'],
      ['database.sqlite3', 'database.sqlite'],
    ] as const) {
      assert.equal(meantBy(key, true), meant, key);
    }
    for (const [key, meant] of [
      ['nameservers', 'dns.nameservers'],
      ['server', 'derp.server'],
    ] as const) {
      const message = `unknown section, ignored: did you mean ${meant}?`;
      assert.deepEqual(describeUnknown(key, true), { isMisspelled: false, message });
    }
  });

  test('that is like no other is only told of', () => {
    for (const key of ['frob', 'port', 'enabled', 'x-common', 'database.postgres.password_file']) {
      assert.equal(meantBy(key), undefined, key);
    }
    for (const key of ['tailsql', 'webhooks', 'x-dns']) {
      assert.equal(meantBy(key, true), undefined, key);
    }
    assert.equal(describeUnknown('frob', false).message, 'unknown key, ignored');
    assert.equal(describeUnknown('frob', true).message, 'unknown section, ignored');
    assert.equal(
      describeUnknown('database.postgres.password', false).message,
      'unknown key, ignored; database.postgres.pass is the nearest that is known',
    );
  });

  test('one letter wrong in any key or section is found', () => {
    for (const [names, isSection] of [
      [KEY_NAMES, false],
      [SECTION_NAMES, true],
    ] as const) {
      for (const name of names) {
        const last = name.slice(name.lastIndexOf('.') + 1);
        const wrong = `${name.slice(0, -1)}${name.endsWith('q') ? 'z' : 'q'}`;
        // v4 and v6, ipv4 and ipv6 are as near to each other.
        if (/v[46]$/.test(last)) assert.ok(meantBy(wrong, isSection), wrong);
        else assert.equal(meantBy(wrong, isSection), name, wrong);
      }
    }
  });
});
