import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Config, LoadedConfig } from './config.ts';
import { KEY_NAMES } from './keys/table.ts';
import { loadClientConfig, loadConfig, type LoadOptions } from './load.ts';
import { formatNote, formatProblem } from './report.ts';

type Files = Readonly<Record<string, string>>;

/** Loads with these files as the only ones there are. */
function load(files: Files, options: Partial<LoadOptions> = {}): ReturnType<typeof loadConfig> {
  return loadConfig({ env: {}, cwd: '/srv', readFile: readerOf(files), ...options });
}

function readerOf(files: Files): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text !== undefined) return text;
    throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
  };
}

/** A file system where nothing may be read. */
function deny(): never {
  throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
}

function loaded(result: ReturnType<typeof loadConfig>): LoadedConfig {
  assert.ok(result.ok, result.ok ? '' : result.error.map(formatProblem).join('\n'));
  return result.value;
}

/** The configuration of a file that only adds these lines to the least there must be. */
function configOf(lines: string, options: Partial<LoadOptions> = {}): Config {
  return loaded(load({ '/etc/malla/config.yaml': minimal(lines) }, options)).config;
}

function problemsOf(text: string, options: Partial<LoadOptions> = {}): string[] {
  const result = load({ '/etc/malla/config.yaml': text }, options);
  return result.ok ? [] : result.error.map(formatProblem);
}

/** What is wrong with a file that has nothing else wrong. */
function problemOf(lines: string): string | undefined {
  const problems = problemsOf(minimal(lines));
  assert.ok(problems.length <= 1, problems.join('\n'));
  return problems[0]?.replace(/^\/etc\/malla\/config\.yaml(?::\d+)?: /, '');
}

function minimal(lines: string): string {
  return lines.includes('server_url') ? lines : `server_url: https://vpn.acme.dev\n${lines}`;
}

/** Loads this file for a command whose server the environment names. */
function loadClient(text: string): ReturnType<typeof loadClientConfig> {
  return loadClientConfig({
    env: { HEADSCALE_CLI_ADDRESS: 'vpn.example.org:443' },
    cwd: '/srv',
    readFile: readerOf({ '/etc/malla/config.yaml': text }),
  });
}

/** As an operator of headscale 0.29 has it. */
const HEADSCALE_FILE = `
server_url: https://vpn.example.org:443
listen_addr: 0.0.0.0:8080
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
grpc_allow_insecure: false
trusted_proxies:
  - 10.0.0.0/8
noise:
  private_key_path: /var/lib/headscale/noise_private.key
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
derp:
  server:
    enabled: false
    region_id: 999
    region_code: "lab"
    region_name: "Lab relay"
    verify_clients: true
    stun_listen_addr: "0.0.0.0:3478"
    private_key_path: /var/lib/headscale/derp_server_private.key
    automatically_add_embedded_derp_region: true
    ipv4: 192.0.2.1
    ipv6: 2001:db8::1
  urls:
    - https://controlplane.tailscale.com/derpmap/default
  paths: []
  auto_update_enabled: true
  update_frequency: 3h
disable_check_updates: false
node:
  expiry: 180d
  ephemeral:
    inactivity_timeout: 30m
  routes:
    ha: { probe_interval: 10s, probe_timeout: 5s }
database:
  type: sqlite
  debug: false
  gorm:
    prepare_stmt: true
    parameterized_queries: true
    skip_err_record_not_found: true
    slow_threshold: 1000
  sqlite:
    path: /var/lib/headscale/db.sqlite
    write_ahead_log: true
    wal_autocheckpoint: 1000
acme_url: https://acme-v02.api.letsencrypt.org/directory
acme_email: ""
tls_letsencrypt_hostname: ""
tls_letsencrypt_cache_dir: /var/lib/headscale/cache
tls_letsencrypt_challenge_type: HTTP-01
tls_letsencrypt_listen: ":http"
tls_cert_path: ""
tls_key_path: ""
log: { level: info, format: text }
policy: { mode: file, path: "" }
dns:
  magic_dns: true
  base_domain: tailnet.example
  override_local_dns: true
  nameservers:
    global: [1.1.1.1, 2606:4700:4700::1111, https://dns.nextdns.io/abc123]
    split: { Corp.Example: [10.0.0.53] }
  search_domains: []
  extra_records:
    - { name: grafana.tailnet.example, type: A, value: 100.64.0.3 }
unix_socket: /var/run/headscale/headscale.sock
unix_socket_permission: "0770"
logtail:
  enabled: false
taildrop:
  enabled: true
auto_update:
  enabled: false
`;

describe('configuration without a file', () => {
  test('everything is under ./data and listens on loopback only', () => {
    const { config, warnings, source } = loaded(load({}));
    assert.equal(source, undefined);
    assert.deepEqual(warnings, []);
    assert.equal(config.serverUrl, 'http://127.0.0.1:8080');
    assert.deepEqual(config.listen, {
      control: { host: '127.0.0.1', port: 8080 },
      tls: undefined,
      extraTls: undefined,
      httpRedirect: undefined,
      metrics: { address: { host: '127.0.0.1', port: 9090 }, optional: true },
      unixSocket: { path: '/srv/data/malla.sock', mode: 0o770 },
      trustedProxies: [],
    });
    assert.equal(config.database.path, '/srv/data/malla.db');
    assert.equal(config.noise.privateKeyPath, '/srv/data/noise_private.key');
    assert.deepEqual(config.derp.server?.own, {
      address: { host: '127.0.0.1', port: 8443 },
      certPath: '/srv/data/derp_cert.pem',
      keyPath: '/srv/data/derp_key.pem',
      selfMade: true,
    });
    assert.deepEqual(config.derp.server.stun, { host: '127.0.0.1', port: 3478 });
    assert.equal(config.derp.server.hostname, '127.0.0.1');
    assert.equal(config.tailnet.policy.default, 'same-user');
  });

  test('--url with http serves other machines at that address', () => {
    const { config, warnings } = loaded(
      load({}, { overrides: { url: 'http://192.168.1.10:8081/' } }),
    );
    assert.deepEqual(warnings, []);
    assert.equal(config.serverUrl, 'http://192.168.1.10:8081');
    assert.deepEqual(config.listen.control, { host: '0.0.0.0', port: 8081 });
    assert.deepEqual(config.derp.server?.own?.address, { host: '0.0.0.0', port: 8443 });
    assert.deepEqual(config.derp.server.stun, { host: '0.0.0.0', port: 3478 });
    assert.equal(config.derp.server.hostname, '192.168.1.10');
  });

  test('--url with an address of this machine alone is listened at there, and nobody is warned', () => {
    for (const [host, listen] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.2', '127.0.0.2'],
      ['localhost', '127.0.0.1'],
      ['[::1]', '::1'],
    ] as const) {
      const result = load({}, { overrides: { url: `http://${host}:18500` } });
      const { config, warnings } = loaded(result);
      assert.deepEqual(config.listen.control, { host: listen, port: 18500 });
      assert.deepEqual(warnings, [], host);
    }
  });

  test('--url with https leaves the listener to the proxy, and the relay shares it', () => {
    const { config } = loaded(load({}, { overrides: { url: 'https://vpn.example.org' } }));
    assert.deepEqual(config.listen.control, { host: '127.0.0.1', port: 8080 });
    assert.equal(config.derp.server?.own, undefined);
    assert.equal(config.derp.server?.port, 443);
  });

  test('--data-dir moves everything, --listen the listener and the URL', () => {
    const { config } = loaded(load({}, { overrides: { dataDir: 'd', listen: '127.0.0.1:7000' } }));
    assert.equal(config.serverUrl, 'http://127.0.0.1:7000');
    assert.equal(config.dataDir, '/srv/d');
    assert.equal(config.listen.unixSocket.path, '/srv/d/malla.sock');
  });

  test('a flag that is not understood is reported by its name', () => {
    const result = load({}, { overrides: { url: 'vpn.example.org' } });
    assert.match(
      result.ok ? '' : result.error.map(formatProblem).join(),
      /^--url: server_url: "vpn\.example\.org" is not a URL such as/,
    );
  });

  test('listening for all without saying at which URL is worth a warning', () => {
    const { warnings } = loaded(load({}, { overrides: { listen: ':8080' } }));
    assert.match(warnings.map(formatNote).join(), /only clients on this machine will find http/);
  });
});

describe("headscale's configuration", () => {
  const files = { '/etc/headscale/config.yaml': HEADSCALE_FILE };

  test('is taken as it is', () => {
    const { config, source } = loaded(load(files));
    assert.equal(source, '/etc/headscale/config.yaml');
    assert.equal(config.serverUrl, 'https://vpn.example.org');
    assert.equal(config.database.path, '/var/lib/headscale/db.sqlite');
    assert.equal(config.dataDir, '/var/lib/headscale');
    assert.equal(config.tailnet.node.expiryMs, 180 * 86_400_000);
    assert.equal(config.tailnet.node.ephemeralInactivityMs, 1_800_000);
    assert.deepEqual(config.listen.trustedProxies, ['10.0.0.0/8']);
    assert.equal(config.derp.server, undefined);
    assert.equal(config.derp.updateMs, 3 * 3_600_000);
    assert.deepEqual(config.tailnet.dns.splitNameservers, { 'corp.example': ['10.0.0.53'] });
    assert.deepEqual(config.tailnet.dns.extraRecords, [
      { name: 'grafana.tailnet.example', type: 'A', value: '100.64.0.3' },
    ]);
    assert.deepEqual(config.listen.metrics?.optional, false);
  });

  test('what has no effect here is said, once for each reason', () => {
    const lines = loaded(load(files)).warnings.map(formatNote);
    const at = '/etc/headscale/config.yaml';
    assert.deepEqual(lines, [
      `${at}: note: using headscale's configuration, as there is none of malla's`,
      `${at}:2: warning: server_url: vpn.example.org is of examples: clients do not find this server there`,
      `${at}:5: note: grpc_listen_addr: has no effect: there is no gRPC: remote administration uses the REST API on listen_addr`,
      `${at}:6: note: grpc_allow_insecure: has no effect: there is no gRPC: remote administration uses the REST API on listen_addr`,
      `${at}:29: note: disable_check_updates: has no effect: malla never calls anywhere to look for updates`,
      `${at}:43: note: database.gorm.slow_threshold: has no effect: malla talks to its database without an object mapper`,
      `${at}:51: note: tls_letsencrypt_cache_dir: has no effect, nor has tls_letsencrypt_listen: it needs tls_letsencrypt_hostname`,
      `${at}:57: warning: policy.mode: is file, but policy.path names none: there is no policy, and none can be set by command. Name a file, or leave policy.mode out`,
      `${at}: note: policy.default: not set: devices of one user see each other, those of different users do not. Headscale lets everybody see everybody; for that, set it to allow-all`,
    ]);
  });

  test('HEADSCALE_CONFIG and HEADSCALE_ variables are used, MALLA_ ones before them', () => {
    const { config } = loaded(
      load(
        { '/x/h.yaml': HEADSCALE_FILE },
        {
          env: {
            HEADSCALE_CONFIG: '/x/h.yaml',
            HEADSCALE_LISTEN_ADDR: ':1',
            HEADSCALE_LOG_LEVEL: 'debug',
            MALLA_LISTEN_ADDR: ':2',
            HEADSCALE_DNS_NAMESERVERS_GLOBAL: '9.9.9.9 149.112.112.112',
          },
        },
      ),
    );
    assert.equal(config.listen.control.port, 2);
    assert.equal(config.log.level, 'debug');
    assert.deepEqual(config.tailnet.dns.nameservers, ['9.9.9.9', '149.112.112.112']);
  });

  test('its code defaults hold, where they work', () => {
    const { config } = loaded(
      load({ '/etc/headscale/config.yaml': 'server_url: https://vpn.example.org\n' }),
    );
    assert.equal(config.tailnet.node.ephemeralInactivityMs, 120_000);
    assert.equal(config.listen.metrics, undefined);
    assert.equal(config.listen.unixSocket.path, '/var/run/headscale/headscale.sock');
    assert.equal(config.derp.updateMs, undefined);
    assert.equal(config.tailnet.logtail.enabled, false);
  });
});

describe('configuration file', () => {
  test('is searched for in the usual places, ours first', () => {
    const text = 'server_url: https://vpn.example.org\n';
    const env = { HOME: '/home/a' };
    const all = [
      '/etc/malla/config.yaml',
      '/home/a/.malla/config.yaml',
      '/srv/config.yaml',
      '/srv/config.json',
      '/etc/headscale/config.yaml',
      '/home/a/.headscale/config.yaml',
    ];
    for (const [i, path] of all.entries()) {
      const files = Object.fromEntries(all.slice(i).map((name) => [name, text]));
      assert.equal(loaded(load(files, { env })).source, path);
    }
    assert.equal(loaded(load({}, { env })).source, undefined);
  });

  test('that is named and missing, or unreadable, is an error', () => {
    const missing = load({}, { path: 'no.yaml' });
    assert.deepEqual(missing.ok ? [] : missing.error.map(formatProblem), [
      'no.yaml: cannot be read: there is no such file',
    ]);
    const denied = load({}, { readFile: deny });
    assert.match(denied.ok ? '' : denied.error.map(formatProblem).join(), /permission denied/);
  });

  test('that is not YAML is said to be that and nothing else', () => {
    const problems = problemsOf('listen_addr: [');
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /^\/etc\/malla\/config\.yaml:1: not YAML: /);
  });

  test('relative paths start at its folder', () => {
    const { config } = loaded(
      load(
        { '/srv/conf/m.yaml': minimal('data_dir: ../data\ntls_cert_path: a\ntls_key_path: b\n') },
        { path: 'conf/m.yaml' },
      ),
    );
    assert.equal(config.dataDir, '/srv/data');
    assert.equal(config.listen.tls?.certPath, '/srv/conf/a');
  });

  test('a URL is all there must be; the relay is then on', () => {
    const config = configOf('');
    assert.equal(config.dataDir, '/var/lib/malla');
    assert.equal(config.listen.unixSocket.path, '/var/run/malla/malla.sock');
    assert.equal(config.derp.server?.own, undefined);
    assert.deepEqual(config.tailnet.prefixes, {
      v4: '100.64.0.0/10',
      v6: 'fd7a:115c:a1e0::/48',
      allocation: 'sequential',
    });
    assert.equal(config.tailnet.dns.overrideLocalDns, false);
  });

  test('what has no value is as if it were absent', () => {
    const empty = configOf(`
listen_addr: ""
prefixes: { v4: 100.64.0.0/10, v6: "" }
log: { level: "", format: "" }
policy: { mode: "", path: "" }
node: { expiry: "", ephemeral: { inactivity_timeout: "" } }
derp: { urls: [""], paths: [~], update_frequency: "", server: { ipv4: "", region_id: "" } }
dns: { nameservers: { global: ["", ~], split: "" }, extra_records: "", search_domains: [""] }
database: { type: "", sqlite: { path: "", wal_autocheckpoint: "" } }
trusted_proxies: [""]
unix_socket: ""
unix_socket_permission: ""
tls_cert_path: ""
tls_key_path: ""
acme_email: ""
ephemeral_node_inactivity_timeout: ""
`);
    assert.deepEqual(empty, configOf('prefixes: { v4: 100.64.0.0/10 }\n'));
  });

  test('an empty list where a map or a section belongs says nothing, and so does the reverse', () => {
    const plain = configOf('derp: { urls: [], server: { enabled: true } }\n');
    const other = configOf(`
derp: { urls: {}, paths: {}, server: { enabled: true } }
dns: { nameservers: { global: {}, split: [] }, extra_records: {}, search_domains: {} }
oidc: { extra_params: [], allowed_domains: {} }
log: []
policy: []
trusted_proxies: {}
`);
    assert.deepEqual(other, plain);
    assert.deepEqual(configOf('dns: { nameservers: [] }\nderp.urls: []\n'), plain);
    assert.match(problemOf('dns: { nameservers: [1.1.1.1] }\n') ?? '', /must hold keys/);
    assert.match(problemOf('dns: { nameservers: { split: [1.1.1.1] } }\n') ?? '', /is not a map/);
    assert.match(problemOf('dns: { search_domains: { a: b } }\n') ?? '', /is not/);
  });

  test('a list of whom to let in never becomes empty by an item without a value', () => {
    assert.match(problemOf('oidc.allowed_domains: [~]\n') ?? '', /null is not text/);
  });

  test('the result is frozen all the way down', () => {
    const config = configOf('');
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.listen.control));
    assert.ok(Object.isFrozen(config.tailnet.dns.nameservers));
  });

  test('all problems are reported at once, in order, each with its line', () => {
    const at = '/etc/malla/config.yaml';
    assert.deepEqual(
      problemsOf(`listen_addr: 8080
dns:
  base_domian: x
  magic_dns: maybe
dns_config.use_username_in_magic_dns: true
node:
  ephemeral:
    inactivity_timeout: 65s
trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]
cli:
  timeout: 5
`),
      [
        `${at}:1: listen_addr: "8080" is not host:port, [IPv6]:port or :port`,
        `${at}:3: dns.base_domian: unknown key, did you mean dns.base_domain?`,
        `${at}:4: dns.magic_dns: "maybe" is not true or false`,
        `${at}:5: dns_config.use_username_in_magic_dns: no longer a key (names of nodes never hold their user)`,
        `${at}:8: node.ephemeral.inactivity_timeout: must be more than 65s`,
        `${at}:9: trusted_proxies: 0.0.0.0/0 would believe everybody: name your proxies`,
        `${at}:11: cli.timeout: "5" is not a duration such as 90s, 1h30m or 90d`,
        `${at}: server_url: required: the URL at which clients reach this server`,
      ],
    );
  });

  test('a socket mode is octal however it is written', () => {
    for (const mode of ['"0770"', '0770', '0o770', '"0o770"', '770']) {
      const config = configOf(`unix_socket_permission: ${mode}\n`);
      assert.equal(config.listen.unixSocket.mode, 0o770, mode);
    }
    assert.match(problemOf('unix_socket_permission: 0999\n') ?? '', /is not a file mode/);
  });
});

describe('secrets', () => {
  test('the API key can come from a file, and not from both', () => {
    const files = {
      '/etc/malla/config.yaml': minimal('cli.api_key_path: key\n'),
      '/etc/malla/key': 'hskey-api-x\n',
    };
    assert.equal(loaded(load(files)).config.cli.apiKey, 'hskey-api-x');
    const env = { MALLA_CLI_API_KEY: 'other' };
    const both = load(files, { env });
    assert.match(both.ok ? '' : both.error.map(formatProblem).join(), /only one of both/);
  });

  test('no message holds one', () => {
    const problems = problemsOf('cli.api_key: [s3cret]\noidc.client_secret: {a: s3cret}\n');
    assert.ok(problems.length >= 2);
    assert.doesNotMatch(problems.join('\n'), /s3cret/);
  });
});

describe('configuration for commands', () => {
  test('needs nothing that only the server needs', () => {
    assert.deepEqual(loadClient('unix_socket: /run/h.sock\npolicy.path: /acl\nlog.level: x\n'), {
      ok: true,
      value: {
        socketPath: '/run/h.sock',
        cli: {
          address: 'https://vpn.example.org',
          apiKey: undefined,
          timeoutMs: 5_000,
          insecure: false,
        },
      },
    });
  });

  test('says what is wrong with what it does need', () => {
    const result = loadClient('cli.timeout: soon\n');
    assert.match(result.ok ? '' : result.error.map(formatProblem).join(), /cli\.timeout: "soon"/);
  });
});

describe('whatever is given', () => {
  const value = fc.oneof(
    fc.string(),
    fc.jsonValue(),
    fc.constantFrom('-1', '1e9', ':0', '/', '[]'),
  );

  test('no YAML text makes loading throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        load({ '/etc/malla/config.yaml': text });
      }),
    );
  });

  test('no value of any key makes loading throw', () => {
    const entries = fc.dictionary(fc.constantFrom(...KEY_NAMES), value, { maxKeys: 12 });
    fc.assert(
      fc.property(entries, (keys) => {
        load({ '/etc/malla/config.yaml': JSON.stringify(keys) });
      }),
      { numRuns: 500 },
    );
  });

  test('no variable and no flag makes loading throw', () => {
    const names = KEY_NAMES.map((name) => `MALLA_${name.toUpperCase().replaceAll('.', '_')}`);
    const env = fc.dictionary(fc.constantFrom(...names), fc.string(), { maxKeys: 8 });
    fc.assert(
      fc.property(env, fc.string(), fc.string(), fc.string(), (variables, url, listen, dataDir) => {
        load({}, { env: variables, overrides: { url, listen, dataDir } });
      }),
      { numRuns: 300 },
    );
  });
});
