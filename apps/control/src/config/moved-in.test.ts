/** Configurations as people bring them from headscale load, and say what they do not do here. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CONTAINERS,
  EXAMPLE_FILES,
  fileOf,
  NIXOS,
  NIXOS_COMMANDS,
  NIXOS_OLDER,
} from '../testing/moved-in.ts';
import type { LoadedConfig } from './config.ts';
import { loadClientConfig, loadConfig } from './load.ts';
import { formatNote, formatProblem } from './report.ts';

const FILE = '/etc/headscale/config.yaml';

type Variables = Readonly<Record<string, string>>;

function load(text: string | undefined, env: Variables = {}): LoadedConfig {
  const result = loadConfig({ env, cwd: '/', readFile: readerOf(text) });
  assert.ok(result.ok, result.ok ? '' : result.error.map(formatProblem).join('\n'));
  return result.value;
}

function readerOf(text: string | undefined): (path: string) => string {
  return (path) => {
    if (path === FILE && text !== undefined) return text;
    throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
  };
}

function warningsOf({ warnings }: LoadedConfig): string {
  return warnings
    .filter(({ level }) => level === 'warning')
    .map(formatNote)
    .join('\n');
}

describe('the example file of headscale', () => {
  for (const [release, keys] of Object.entries(EXAMPLE_FILES)) {
    test(`${release}, with only server_url and listen_addr changed, loads as it is meant`, () => {
      const own = { server_url: 'https://vpn.example.org', listen_addr: '0.0.0.0:8080' };
      const { config } = load(fileOf({ ...keys, ...own }));
      assert.equal(config.listen.control.port, 8080);
      assert.equal(config.listen.unixSocket.path, '/var/run/headscale/headscale.sock');
      assert.equal(config.listen.unixSocket.mode, 0o770);
      assert.equal(config.database.path, '/var/lib/headscale/db.sqlite');
      assert.equal(config.noise.privateKeyPath, '/var/lib/headscale/noise_private.key');
      assert.deepEqual(config.tailnet.prefixes, {
        v4: '100.64.0.0/10',
        v6: 'fd7a:115c:a1e0::/48',
        allocation: 'sequential',
      });
      assert.equal(config.tailnet.node.ephemeralInactivityMs, 1_800_000);
      assert.equal(config.tailnet.dns.baseDomain, 'example.com');
      assert.equal(config.tailnet.dns.nameservers[0], '1.1.1.1');
      assert.equal(config.tailnet.dns.overrideLocalDns, release !== '0.26');
      assert.equal(config.derp.server, undefined);
      assert.equal(config.derp.urls.length, 1);
      assert.notEqual(config.derp.updateMs, undefined);
      assert.equal(config.tailnet.policy.source, release === '0.22' ? 'database' : undefined);
    });
  }

  test('0.29 and later give no reason for a warning, except that no policy can be set', () => {
    for (const release of ['0.29', '0.30']) {
      const own = { server_url: 'https://vpn.acme.dev', listen_addr: '127.0.0.1:8080' };
      const warnings = warningsOf(load(fileOf({ ...EXAMPLE_FILES[release], ...own })));
      assert.match(warnings, /^\S+ warning: policy\.mode: [^\n]*$/);
    }
  });
});

describe("the NixOS module's file", () => {
  test('loads; the options that it writes as null say nothing', () => {
    const said = load(fileOf(NIXOS)).warnings.map(formatNote).join('\n');
    assert.doesNotMatch(said, /postgres|tls_cert|client_secret/);
    const { config } = load(fileOf(NIXOS));
    assert.equal(config.dataDir, '/var/lib/headscale');
    assert.equal(config.listen.tls, undefined);
    assert.equal(config.tailnet.policy.source, undefined);
  });

  test('loads in its older form, whose unused settings of a database are a note', () => {
    const { warnings } = load(fileOf(NIXOS_OLDER));
    const about = warnings.filter(({ key }) => key?.startsWith('database.'));
    assert.deepEqual(
      about.map(({ level, key }) => [level, key]),
      [['note', 'database.postgres.name']],
    );
  });

  test('names a file for a password of that database without being refused', () => {
    const keys = { ...NIXOS, 'database.postgres.password_file': '/run/keys/db' };
    assert.match(warningsOf(load(fileOf(keys))), /postgres\.password_file: unknown key, ignored/);
  });

  test('for commands tells them where the socket is', () => {
    const result = loadClientConfig({
      env: {},
      cwd: '/',
      readFile: readerOf(fileOf(NIXOS_COMMANDS)),
    });
    assert.equal(result.ok && result.value.socketPath, '/run/headscale/headscale.sock');
  });
});

describe('the environment of a container', () => {
  for (const [name, { env, file }] of Object.entries(CONTAINERS)) {
    test(`loads: ${name}`, () => {
      const { config } = load(file && fileOf(file), env);
      assert.equal(config.serverUrl, env['HEADSCALE_SERVER_URL']);
      const database = env['HEADSCALE_DATABASE_SQLITE_PATH'] ?? env['HEADSCALE_DB_PATH'];
      assert.equal(config.database.path, database ?? '/var/lib/headscale/db.sqlite');
      if (file === undefined) assert.notEqual(config.dataDir, '/data');
    });
  }

  test('is told that without a policy not everybody sees everybody here, with a file or without', () => {
    for (const [name, { env, file }] of Object.entries(CONTAINERS)) {
      const said = load(file && fileOf(file), env)
        .warnings.map(formatNote)
        .join('\n');
      assert.match(said, /note: policy\.default: not set/, name);
    }
  });

  test('wins over the file under old names too', () => {
    const { env, file = {} } = CONTAINERS['a chart of 2023 over the example file of the day'] ?? {
      env: {},
    };
    const { config } = load(fileOf(file), env);
    assert.equal(config.tailnet.dns.baseDomain, 'tailnet.example');
    assert.equal(config.database.path, '/etc/headscale/db.sqlite');
    assert.equal(config.noise.privateKeyPath, '/etc/headscale/noise_private.key');
  });

  test('splits lists at commas, and empties them with a space', () => {
    const container = CONTAINERS['an entry point that writes a file and keeps its variables'];
    const { dns } = load(fileOf(container?.file ?? {}), container?.env).config.tailnet;
    assert.deepEqual(dns.nameservers.length, 4);
    const file = { ...EXAMPLE_FILES['0.30'], 'derp.server.enabled': true };
    const { derp } = load(fileOf(file), { HEADSCALE_DERP_URLS: ' ' }).config;
    assert.deepEqual(derp.urls, []);
    assert.deepEqual(load(fileOf(file), { HEADSCALE_DERP_URLS: '' }).config.derp.urls.length, 1);
  });

  test('gives maps as JSON', () => {
    const { env } = CONTAINERS['a cluster that splits DNS'] ?? { env: {} };
    assert.deepEqual(load(undefined, env).config.tailnet.dns.splitNameservers, {
      'corp.example': ['100.100.100.100'],
    });
  });
});
