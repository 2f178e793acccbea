import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEY_NAMES, SECTION_NAMES } from './keys/table.ts';
import { describeUnknown } from './unknown.ts';

function meantBy(key: string, isSection = false): string | undefined {
  const { isMisspelled, message } = describeUnknown(key, isSection);
  return isMisspelled ? /did you mean (\S+)\?$/.exec(message)?.[1] : undefined;
}

describe('an unknown key', () => {
  test('that is a known one misspelled is refused with the one that is meant', () => {
    for (const [key, meant] of [
      ['server_ulr', 'server_url'],
      ['dns.base_domian', 'dns.base_domain'],
      ['listen_adress', 'listen_addr'],
      ['listen_address', 'listen_addr'],
      ['metrics_listen_address', 'metrics_listen_addr'],
      ['serverurl', 'server_url'],
      ['listen-addr', 'listen_addr'],
      ['tls_cert', 'tls_cert_path'],
      ['noise.private_key', 'noise.private_key_path'],
      ['derp.server.enable', 'derp.server.enabled'],
      ['derp.url', 'derp.urls'],
      ['trusted_proxy', 'trusted_proxies'],
      ['oidc.allowed_group', 'oidc.allowed_groups'],
      ['acl_policy_pth', 'acl_policy_path'],
    ] as const) {
      assert.equal(meantBy(key), meant, key);
    }
  });

  test('that stands in the wrong section, or has its section in its name, is refused too', () => {
    for (const [key, meant] of [
      ['base_domain', 'dns.base_domain'],
      ['magic_dns', 'dns.magic_dns'],
      ['dns.extra_records_pth', 'dns.extra_records_path'],
      ['dns.global', 'dns.nameservers.global'],
      ['dns_base_domain', 'dns.base_domain'],
      ['log.server_url', 'server_url'],
    ] as const) {
      assert.equal(meantBy(key), meant, key);
    }
  });

  test('a section is compared with sections', () => {
    for (const [key, meant] of [
      ['dsn', 'dns'],
      ['odic', 'oidc'],
      ['derp.sever', 'derp.server'],
      ['dns.nameserver', 'dns.nameservers'],
      ['nameservers', 'dns.nameservers'],
      ['database.sqlite3', 'database.sqlite'],
    ] as const) {
      assert.equal(meantBy(key, true), meant, key);
    }
    assert.equal(meantBy('server', true), 'derp.server');
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
