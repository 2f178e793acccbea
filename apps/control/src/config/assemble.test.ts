import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configOf, notesOf, problemOf, problemsOf } from '../testing/configuration.ts';

/** What is said of a server's URL, besides that clients may not come back to it. */
function urlDoubts(url: string, listen: string): string {
  return notesOf(`server_url: ${url}\nlisten_addr: ${listen}\n`)
    .filter((line) => !line.includes('never come back'))
    .join('\n');
}

describe('checks across keys', () => {
  test('an http URL with a DNS name or a public address is warned about, with the cures', () => {
    for (const host of ['vpn.acme.dev:8080', 'vpn.acme.dev', '198.18.0.1:8080']) {
      const [warning = '', ...others] = notesOf(`server_url: http://${host}\n`);
      assert.match(warning, /server_url: .*never come back.*https:\/\/.*tls_extra_listen_addr/);
      assert.deepEqual(others, []);
    }
    for (const host of ['192.168.1.1:8080', 'localhost:8080', '[fd00::1]:80']) {
      assert.deepEqual(notesOf(`server_url: http://${host}\n`), [], host);
    }
    const cured = 'server_url: http://vpn.acme.dev:8080\ntls_extra_listen_addr: :443\n';
    assert.deepEqual(notesOf(cured), []);
    assert.deepEqual(configOf(cured).listen.extraTls, {
      address: { host: undefined, port: 443 },
      certPath: '/var/lib/malla/tls_extra_cert.pem',
      keyPath: '/var/lib/malla/tls_extra_key.pem',
      selfMade: true,
    });
  });

  test('plain HTTP is sent on to an https URL, from a port of its own, and to no other', () => {
    const tls = 'server_url: https://vpn.acme.dev\nlisten_addr: :443\n';
    assert.equal(configOf(tls).listen.httpRedirect, undefined);
    assert.deepEqual(configOf(`${tls}http_redirect_listen_addr: :80\n`).listen.httpRedirect, {
      host: undefined,
      port: 80,
    });
    assert.match(
      problemOf(`${tls}http_redirect_listen_addr: :443\n`) ?? '',
      /is taken by listen_addr/,
    );
    assert.match(
      problemOf('server_url: http://10.0.0.1:8080\nhttp_redirect_listen_addr: :80\n') ?? '',
      /^http_redirect_listen_addr: sends plain HTTP on to server_url, which is http:\/\/ itself$/,
    );
  });

  test('with an http URL the relay has a TLS listener of its own', () => {
    const server = configOf('server_url: http://10.0.0.1:8080\n').derp.server;
    assert.deepEqual(server?.own?.address, { host: '0.0.0.0', port: 8443 });
    assert.equal(server?.port, 8443);
    assert.equal(
      problemOf('server_url: http://10.0.0.1:8080\nderp.server.listen_addr: ""\n'),
      'derp.server.listen_addr: may not be empty while server_url is http://: clients speak to relays only over TLS',
    );
  });

  test('the embedded relay is off when others are named, and on when none are', () => {
    const others = 'derp:\n  urls: [https://relay.example/map]\n';
    assert.equal(configOf(others).derp.server, undefined);
    assert.notEqual(configOf(`${others}  server.enabled: true\n`).derp.server, undefined);
    assert.match(problemOf('derp.server.enabled: false\n') ?? '', /leaves no relay at all/);
    assert.match(
      problemOf('derp.server.automatically_add_embedded_derp_region: false\n') ?? '',
      /leaves no relay at all/,
    );
  });

  test('that others switch the embedded relay off is said, unless somebody did it by hand', () => {
    assert.match(
      notesOf('derp.urls: [https://relay.example/map]\n').join(),
      /^note: derp\.server\.enabled: not set: this server is no relay, as derp\.urls names others[^,]*$/,
    );
    assert.match(notesOf('derp.paths: [/derp.yaml]\n').join(), /as derp\.paths names others/);
    assert.deepEqual(notesOf('derp.paths: [/derp.yaml]\nderp.server.enabled: false\n'), []);
    assert.deepEqual(notesOf('derp.paths: [/derp.yaml]\nderp.server.enabled: true\n'), []);
  });

  test('addresses of examples are left out of the DERP map, with a warning for each', () => {
    for (const [v4, v6] of [
      ['198.51.100.1', '2001:db8::1'],
      ['192.0.2.7', '3fff::1'],
      ['203.0.113.9', '2001:DB8:1::'],
      ['1.2.3.4', '2001:db8::1'],
    ]) {
      const lines = `derp.server: {enabled: true, ipv4: ${v4}, ipv6: "${v6}"}\n`;
      const { server } = configOf(lines).derp;
      assert.deepEqual([server?.ipv4, server?.ipv6], [undefined, undefined]);
      const [first = '', second = '', ...others] = notesOf(lines);
      assert.match(first, /^warning: derp\.server\.ipv4: \S+ is an example, so it is left out/);
      assert.match(second, /^warning: derp\.server\.ipv6: /);
      assert.deepEqual(others, []);
    }
    const real = 'derp.server: {enabled: true, ipv4: 198.51.99.1, ipv6: "2001:db7::1"}\n';
    assert.deepEqual(notesOf(real), []);
    assert.equal(configOf(real).derp.server?.ipv4, '198.51.99.1');
    const off =
      'derp: {urls: [https://relay.example/map], server: {enabled: false, ipv4: 198.51.100.1}}\n';
    assert.deepEqual(notesOf(off), []);
  });

  test('how often DERP maps are read again has a least value, whether they are or not', () => {
    for (const rest of ['', 'derp.auto_update_enabled: true\n', 'derp.paths: [/derp.yaml]\n']) {
      assert.equal(
        problemOf(`derp.update_frequency: 10s\n${rest}`),
        'derp.update_frequency: must be at least 1m',
      );
    }
    assert.equal(problemOf('derp.update_frequency: 1m\n'), undefined);
  });

  test('a URL that only this machine, or nobody, finds is warned about where others are listened for', () => {
    for (const url of ['http://127.0.0.1:8080', 'http://localhost:8080', 'http://[::1]:8080']) {
      for (const listen of ['0.0.0.0:8080', ':8080', '192.168.1.10:8080', '"[::]:8080"']) {
        assert.match(
          urlDoubts(url, listen),
          /^warning: server_url: \S+ is each machine itself/,
          url,
        );
      }
      assert.equal(urlDoubts(url, '127.0.0.1:8080'), '');
    }
    for (const url of ['https://vpn.example.com', 'https://a.example', 'https://203.0.113.7']) {
      assert.match(urlDoubts(url, '0.0.0.0:443'), /^warning: server_url: \S+ is of examples/, url);
      // Also where a proxy stands in front.
      assert.match(urlDoubts(url, '127.0.0.1:8080'), /^warning: server_url: \S+ is of examples/);
    }
    for (const url of ['http://0.0.0.0:8080', 'http://[::]:8080']) {
      assert.match(urlDoubts(url, '127.0.0.1:8080'), /is an address to listen on/, url);
    }
    assert.equal(urlDoubts('https://vpn.acme.dev', '0.0.0.0:443'), '');
    assert.equal(urlDoubts('http://192.168.1.10:8080', '0.0.0.0:8080'), '');
  });

  test('STUN can be switched off', () => {
    assert.equal(configOf('derp.server.stun.enabled: false\n').derp.server?.stun, undefined);
  });

  test('two listeners on one port are an error, unless the system chooses it', () => {
    assert.match(
      problemOf('listen_addr: 127.0.0.1:9090\nmetrics_listen_addr: :9090\n') ?? '',
      /^metrics_listen_addr: :9090 is taken by listen_addr/,
    );
    assert.equal(problemOf('listen_addr: :0\nmetrics_listen_addr: :0\n'), undefined);
  });

  test('prefixes outside the space of clients are warned about, of the wrong family refused', () => {
    assert.match(notesOf('prefixes.v4: 10.0.0.0/8\n').join(), /outside 100\.64\.0\.0\/10/);
    assert.deepEqual(notesOf('prefixes.v4: 100.100.0.0/16\n'), []);
    assert.match(problemOf('prefixes.v4: fd00::/64\n') ?? '', /is not an IPv4 prefix/);
    const { v4, v6 } = configOf('prefixes.v6: FD7A:115C:A1E0:0::/64\n').tailnet.prefixes;
    assert.deepEqual([v4, v6], [undefined, 'fd7a:115c:a1e0::/64']);
  });

  test('the base domain may not hold the server', () => {
    assert.match(problemOf('dns.base_domain: acme.dev\n') ?? '', /holds the host of server_url/);
    assert.match(problemOf('dns.base_domain: vpn.acme.dev\n') ?? '', /holds the host/);
    assert.equal(problemOf('dns.base_domain: net.vpn.acme.dev\n'), undefined);
    assert.match(problemOf('dns.base_domain: ""\n') ?? '', /required while dns\.magic_dns/);
    assert.equal(problemOf('dns.base_domain: ""\ndns.magic_dns: false\n'), undefined);
  });

  test('a base domain for which devices ask no name server is warned of', () => {
    for (const domain of ['local', 'home.local', 'localhost', 'acme.onion', 'a.invalid', 'b.alt']) {
      const lines = `dns.base_domain: ${domain}\n`;
      assert.equal(problemOf(lines), undefined, domain);
      assert.match(
        notesOf(lines).join(),
        /^warning: dns\.base_domain: \S+ is reserved: [^,]*, so names of nodes may not be found/,
        domain,
      );
    }
    for (const domain of ['home.arpa', 'malla.internal', 'lan', 'local.acme.net', 'mylocal']) {
      assert.deepEqual(notesOf(`dns.base_domain: ${domain}\n`), [], domain);
    }
  });

  test('DNS settings that leave clients without names are refused', () => {
    assert.match(problemOf('dns.override_local_dns: true\n') ?? '', /needs dns\.nameservers\.gl/);
    assert.equal(configOf('dns.nameservers.global: 1.1.1.1\n').tailnet.dns.overrideLocalDns, true);
    assert.match(problemOf('dns.nameservers.global: [dns.example]\n') ?? '', /a name server/);
    assert.match(
      problemOf('dns.extra_records: [{name: a.b, type: A, value: x}]\n') ?? '',
      /"x" is not an address of type A/,
    );
    assert.match(
      problemOf(
        'dns.extra_records: [{name: a.b, value: 1.2.3.4}]\ndns.extra_records_path: /r.json\n',
      ) ?? '',
      /only one of both/,
    );
  });

  test('records have one spelling; those that clients do not know are left out with a warning', () => {
    const lines =
      'dns.extra_records: [{name: A.b., value: FD7A::1}, {name: c.d, type: MX, value: e}]\n';
    assert.deepEqual(configOf(lines).tailnet.dns.extraRecords, [
      { name: 'a.b', type: 'AAAA', value: 'fd7a::1' },
    ]);
    assert.match(notesOf(lines).join(), /only A and AAAA records, not "MX": c\.d is left out/);
    const wildcards =
      'dns.extra_records: [{name: "*.b", value: 1.2.3.4}, {name: e.f, value: 1.2.3.4}, {name: a.*.c, type: AAAA, value: "fd7a::1"}]\n';
    assert.deepEqual(
      configOf(wildcards).tailnet.dns.extraRecords.map(({ name }) => name),
      ['e.f'],
    );
    const [first = '', second = ''] = notesOf(wildcards);
    assert.match(first, /"\*\.b" has a wildcard.*dns\.magic_dns_wildcard.*: \*\.b is left out$/);
    assert.match(second, /a\.\*\.c is left out$/);
    assert.match(
      problemOf('dns.extra_records: [{name: "a*.b", value: 1.2.3.4}]\n') ?? '',
      /no part of a DNS name: "a\*"/,
    );
  });

  test('names below nodes need names of nodes', () => {
    assert.equal(configOf('dns.magic_dns_wildcard: true\n').tailnet.dns.magicDnsWildcard, true);
    const without = 'dns.magic_dns_wildcard: true\ndns.magic_dns: false\n';
    assert.match(problemOf(without) ?? '', /needs dns\.magic_dns/);
  });

  test('DNS over HTTPS of a provider that clients do not know is warned about', () => {
    const known = 'dns.nameservers.global: [https://dns.nextdns.io/a1b2c3]\n';
    assert.deepEqual(notesOf(known), []);
    for (const key of [
      'global: [https://doh.example/q]',
      'split: {a.b: [https://doh.example/q]}',
    ]) {
      assert.match(notesOf(`dns.nameservers.${key}\n`).join(), /never ask https:\/\/doh\.example/);
    }
  });

  test('a certificate needs its key', () => {
    assert.equal(problemOf('tls_cert_path: /c\n'), 'tls_cert_path: needs tls_key_path as well');
    assert.match(problemOf('derp.server.key_path: /k\n') ?? '', /needs derp\.server\.cert_path/);
  });

  test('route probes have limits that fit each other', () => {
    assert.equal(configOf('node.routes.ha.probe_interval: 0\n').tailnet.node.routeProbe, undefined);
    assert.deepEqual(configOf('').tailnet.node.routeProbe, { intervalMs: 2_000, timeoutMs: 2_000 });
    assert.deepEqual(configOf('node.routes.ha.probe_timeout: 5s\n').tailnet.node.routeProbe, {
      intervalMs: 5_000,
      timeoutMs: 5_000,
    });
    const both = 'node.routes.ha.probe_interval: 4s\nnode.routes.ha.probe_timeout: 5s\n';
    assert.match(problemOf(both) ?? '', /at most/);
    assert.match(problemOf('node.routes.ha.probe_timeout: 500ms\n') ?? '', /at least 1s/);
  });

  test('a socket path that the system cannot take is refused', () => {
    assert.match(problemOf(`unix_socket: /${'x'.repeat(200)}\n`) ?? '', /at most 107/);
  });
});

describe('where the policy is kept', () => {
  test('is a file, the database, or nowhere', () => {
    assert.equal(configOf('').tailnet.policy.source, 'database');
    assert.equal(configOf('policy.mode: file\n').tailnet.policy.source, undefined);
    const file = 'policy.path: /etc/acl.hujson\n';
    assert.deepEqual(configOf(file).tailnet.policy.source, { file: '/etc/acl.hujson' });
    assert.equal(configOf('policy.mode: database\n').tailnet.policy.source, 'database');
  });

  test('is said where both are named', () => {
    const both = 'policy: {mode: database, path: /etc/acl.hujson}\n';
    assert.equal(configOf(both).tailnet.policy.source, 'database');
    assert.match(notesOf(both).join(), /policy\.path: has no effect: policy\.mode is database/);
  });
});

describe('what malla cannot do yet', () => {
  test('ACME and PostgreSQL are refused with the reason', () => {
    assert.match(problemOf('tls_letsencrypt_hostname: a.example\n') ?? '', /reverse proxy/);
    assert.match(problemOf('database.type: postgres\n') ?? '', /not built yet: use sqlite/);
  });

  test('OIDC is refused with what to do, and no more is asked of a section that is to go', () => {
    for (const rest of ['', '  client_id: x\n', '  client_secret: a\n  client_secret_path: b\n']) {
      const problems = problemsOf(`oidc:\n  issuer: idp\n${rest}`);
      assert.match(
        problems.join('\n'),
        /^oidc\.issuer: OIDC arrives in a later version[^\n]*Take the section oidc out[^\n]*$/,
      );
    }
    const misspelt = problemsOf('oidc:\n  issuer: idp\n  pkce.method: x\n');
    assert.match(misspelt.join('\n'), /oidc\.pkce\.method: "x" is not S256 or plain/);
  });

  test('tuning that malla does not need is said to have no effect', () => {
    assert.deepEqual(notesOf('tuning: {batcher_workers: 4, node_store_batch_size: 10}\n'), [
      'note: tuning.batcher_workers: has no effect, nor has tuning.node_store_batch_size: malla does not wait to collect changes, so there is nothing to tune',
    ]);
  });
});
