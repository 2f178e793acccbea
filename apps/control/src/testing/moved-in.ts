/**
 * Configurations that people bring from headscale, as keys and values: what the example file of each of
 * its releases sets, what the NixOS module writes, and the environment that charts and compose files give
 * a container. Written down here key by key, from reading them in November 2026; nothing of their text.
 */
import { stringify } from 'yaml';

/** Values by dotted key. */
export type Keys = Readonly<Record<string, unknown>>;

const COMMON: Keys = {
  server_url: 'http://127.0.0.1:8080',
  listen_addr: '127.0.0.1:8080',
  metrics_listen_addr: '127.0.0.1:9090',
  'noise.private_key_path': '/var/lib/headscale/noise_private.key',
  'derp.server.enabled': false,
  'derp.server.region_id': 999,
  'derp.server.region_code': 'headscale',
  'derp.server.region_name': 'Headscale Embedded DERP',
  'derp.server.stun_listen_addr': '0.0.0.0:3478',
  'derp.urls': ['https://controlplane.tailscale.com/derpmap/default'],
  'derp.paths': [],
  'derp.auto_update_enabled': true,
  'derp.update_frequency': '24h',
  disable_check_updates: false,
  acme_url: 'https://acme-v02.api.letsencrypt.org/directory',
  acme_email: '',
  tls_letsencrypt_hostname: '',
  tls_letsencrypt_cache_dir: '/var/lib/headscale/cache',
  tls_letsencrypt_challenge_type: 'HTTP-01',
  tls_letsencrypt_listen: ':http',
  tls_cert_path: '',
  tls_key_path: '',
  'log.level': 'info',
  'log.format': 'text',
  unix_socket: '/var/run/headscale/headscale.sock',
  unix_socket_permission: '0770',
  'logtail.enabled': false,
};

const GRPC: Keys = { grpc_listen_addr: '127.0.0.1:50443', grpc_allow_insecure: false };

const V0_22: Keys = {
  ...COMMON,
  ...GRPC,
  private_key_path: '/var/lib/headscale/private.key',
  ip_prefixes: ['fd7a:115c:a1e0::/48', '100.64.0.0/10'],
  ephemeral_node_inactivity_timeout: '30m',
  node_update_check_interval: '10s',
  db_type: 'sqlite3',
  db_path: '/var/lib/headscale/db.sqlite',
  acl_policy_path: '',
  'dns_config.override_local_dns': true,
  'dns_config.nameservers': ['1.1.1.1'],
  'dns_config.domains': [],
  'dns_config.magic_dns': true,
  'dns_config.base_domain': 'example.com',
  randomize_client_port: false,
};

const V0_24: Keys = {
  ...COMMON,
  ...GRPC,
  'prefixes.v4': '100.64.0.0/10',
  'prefixes.v6': 'fd7a:115c:a1e0::/48',
  'prefixes.allocation': 'sequential',
  'derp.server.private_key_path': '/var/lib/headscale/derp_server_private.key',
  'derp.server.automatically_add_embedded_derp_region': true,
  'derp.server.ipv4': '1.2.3.4',
  'derp.server.ipv6': '2001:db8::1',
  ephemeral_node_inactivity_timeout: '30m',
  'database.type': 'sqlite',
  'database.debug': false,
  'database.gorm.prepare_stmt': true,
  'database.gorm.parameterized_queries': true,
  'database.gorm.skip_err_record_not_found': true,
  'database.gorm.slow_threshold': 1000,
  'database.sqlite.path': '/var/lib/headscale/db.sqlite',
  'database.sqlite.write_ahead_log': true,
  'database.sqlite.wal_autocheckpoint': 1000,
  'policy.mode': 'file',
  'policy.path': '',
  'dns.magic_dns': true,
  'dns.base_domain': 'example.com',
  'dns.nameservers.global': ['1.1.1.1', '1.0.0.1', '2606:4700:4700::1111', '2606:4700:4700::1001'],
  'dns.nameservers.split': {},
  'dns.search_domains': [],
  'dns.extra_records': [],
  randomize_client_port: false,
};

const V0_23: Keys = {
  ...without(V0_24, 'database.sqlite.wal_autocheckpoint'),
  'dns.use_username_in_magic_dns': false,
};

const V0_26: Keys = { ...V0_24, 'dns.override_local_dns': false };

const V0_27: Keys = {
  ...V0_26,
  'derp.server.verify_clients': true,
  'derp.server.ipv4': '198.51.100.1',
  'derp.update_frequency': '3h',
  'dns.override_local_dns': true,
};

const V0_28: Keys = { ...V0_27, 'taildrop.enabled': true };

const V0_29: Keys = {
  ...without(V0_28, 'ephemeral_node_inactivity_timeout', 'randomize_client_port'),
  trusted_proxies: [],
  'node.expiry': 0,
  'node.ephemeral.inactivity_timeout': '30m',
  'node.routes.ha.probe_interval': '10s',
  'node.routes.ha.probe_timeout': '5s',
  'auto_update.enabled': false,
};

/** By release: what its example file sets. 0.30 is the development version. */
export const EXAMPLE_FILES: Readonly<Record<string, Keys>> = {
  '0.22': V0_22,
  '0.23': V0_23,
  '0.24': V0_24,
  '0.25': V0_24,
  '0.26': V0_26,
  '0.27': V0_27,
  '0.28': V0_28,
  '0.29': V0_29,
  '0.30': without(V0_29, 'grpc_listen_addr', 'grpc_allow_insecure'),
};

/**
 * What the NixOS module writes where an operator sets the two options without which it does not build:
 * every option it has, those without a default as null.
 */
export const NIXOS: Keys = {
  server_url: 'https://vpn.example.org',
  listen_addr: '127.0.0.1:8080',
  disable_check_updates: true,
  unix_socket: '/run/headscale/headscale.sock',
  'noise.private_key_path': '/var/lib/headscale/noise_private.key',
  'prefixes.v4': '100.64.0.0/10',
  'prefixes.v6': 'fd7a:115c:a1e0::/48',
  'prefixes.allocation': 'sequential',
  'derp.urls': ['https://controlplane.tailscale.com/derpmap/default'],
  'derp.paths': [],
  'derp.auto_update_enabled': true,
  'derp.update_frequency': '24h',
  'derp.server.private_key_path': '/var/lib/headscale/derp_server_private.key',
  ephemeral_node_inactivity_timeout: '30m',
  'database.type': 'sqlite',
  'database.sqlite.path': '/var/lib/headscale/db.sqlite',
  'database.sqlite.write_ahead_log': true,
  'database.postgres.host': null,
  'database.postgres.port': null,
  'database.postgres.name': null,
  'database.postgres.user': null,
  'database.postgres.password_file': null,
  'log.level': 'info',
  'log.format': 'text',
  'dns.magic_dns': true,
  'dns.base_domain': 'tailnet.example',
  'dns.nameservers.global': [],
  'dns.search_domains': [],
  'oidc.issuer': '',
  'oidc.client_id': '',
  'oidc.client_secret_path': null,
  'oidc.scope': ['openid', 'profile', 'email'],
  'oidc.extra_params': {},
  'oidc.allowed_domains': [],
  'oidc.allowed_users': [],
  tls_letsencrypt_hostname: '',
  tls_letsencrypt_challenge_type: 'HTTP-01',
  tls_letsencrypt_cache_dir: '/var/lib/headscale/.cache',
  tls_letsencrypt_listen: ':http',
  tls_cert_path: null,
  tls_key_path: null,
  'policy.mode': 'file',
  'policy.path': null,
};

/** The module's releases before 2025 wrote a name and a user for a database that nobody used. */
export const NIXOS_OLDER: Keys = {
  ...NIXOS,
  'database.postgres.name': 'headscale',
  'database.postgres.user': 'headscale',
};

/** The file that the module gives the command line. */
export const NIXOS_COMMANDS: Keys = {
  disable_check_updates: true,
  unix_socket: '/run/headscale/headscale.sock',
};

type Variables = Readonly<Record<string, string>>;

/** What containers are given, with the configuration file that lies beside it, if there is one. */
export interface Container {
  readonly env: Variables;
  readonly file?: Keys;
}

const PUBLIC_MAP = 'https://controlplane.tailscale.com/derpmap/default';

export const CONTAINERS: Readonly<Record<string, Container>> = {
  'a chart of 2023 over the example file of the day': {
    env: {
      HEADSCALE_SERVER_URL: 'https://vpn.example.org',
      HEADSCALE_METRICS_LISTEN_ADDR: '0.0.0.0:9090',
      HEADSCALE_PRIVATE_KEY_PATH: '/etc/headscale/private.key',
      HEADSCALE_NOISE_PRIVATE_KEY_PATH: '/etc/headscale/noise_private.key',
      HEADSCALE_DB_PATH: '/etc/headscale/db.sqlite',
      HEADSCALE_DNS_CONFIG_BASE_DOMAIN: 'tailnet.example',
      HEADSCALE_PORT: 'tcp://10.43.0.7:8080',
      HEADSCALE_SERVICE_HOST: '10.43.0.7',
    },
    file: V0_28,
  },
  'a chart of 2025 with everything in the environment': {
    env: {
      HEADSCALE_SERVER_URL: 'https://vpn.example.org',
      HEADSCALE_METRICS_LISTEN_ADDR: '0.0.0.0:9090',
      HEADSCALE_LISTEN_ADDR: '0.0.0.0:8080',
      HEADSCALE_NOISE_PRIVATE_KEY_PATH: '/etc/headscale/noise_private.key',
      HEADSCALE_DATABASE_TYPE: 'sqlite',
      HEADSCALE_DATABASE_SQLITE_PATH: '/etc/headscale/db.sqlite',
      HEADSCALE_DNS_BASE_DOMAIN: 'tailnet.example',
      HEADSCALE_PREFIXES_V4: '100.64.0.0/10',
      HEADSCALE_PREFIXES_V6: 'fd7a:115c:a1e0::/48',
      HEADSCALE_DNS_NAMESERVERS_GLOBAL: '1.1.1.1 1.0.0.1',
      HEADSCALE_DNS_MAGIC_DNS: 'true',
      HEADSCALE_DERP_URLS: PUBLIC_MAP,
      HEADSCALE_DERP_AUTO_UPDATE_ENABLED: 'true',
      HEADSCALE_DERP_UPDATE_FREQUENCY: '24h',
      HEADSCALE_EPHEMERAL_NODE_INACTIVITY_TIMEOUT: '30m',
    },
  },
  'a cluster that splits DNS': {
    env: {
      HEADSCALE_SERVER_URL: 'https://vpn.example.org',
      HEADSCALE_LISTEN_ADDR: '0.0.0.0:8080',
      HEADSCALE_DNS_BASE_DOMAIN: 'tailnet.example',
      HEADSCALE_DNS_OVERRIDE_LOCAL_DNS: 'false',
      HEADSCALE_DNS_NAMESERVERS_SPLIT: '{"corp.example": ["100.100.100.100"]}',
      HEADSCALE_DNS_EXTRA_RECORDS_PATH: '/var/lib/headscale/records.json',
      HEADSCALE_DATABASE_SQLITE_PATH: '/var/lib/headscale/db.sqlite',
      HEADSCALE_UNIX_SOCKET: '/var/lib/headscale/headscale.sock',
    },
  },
  'a task of a cloud, without a file': {
    env: {
      HEADSCALE_LISTEN_ADDR: '0.0.0.0:8080',
      HEADSCALE_NOISE_PRIVATE_KEY_PATH: '/var/lib/headscale/noise_private.key',
      HEADSCALE_SERVER_URL: 'https://vpn.example.org',
      HEADSCALE_DNS_OVERRIDE_LOCAL_DNS: 'false',
      HEADSCALE_DNS_MAGIC_DNS: 'false',
      HEADSCALE_PREFIXES_V4: '100.64.0.0/10',
      HEADSCALE_PREFIXES_V6: 'fd7a:115c:a1e0::/48',
      HEADSCALE_POLICY_MODE: 'database',
      HEADSCALE_DATABASE_TYPE: 'sqlite',
      HEADSCALE_DATABASE_SQLITE_PATH: '/var/lib/headscale/db.sqlite',
      HEADSCALE_DERP_URLS: PUBLIC_MAP,
      HEADSCALE_OIDC_SCOPES: 'openid,profile,email',
      HEADSCALE_DISABLE_CHECK_UPDATES: 'true',
    },
  },
  'an entry point that writes a file and keeps its variables': {
    env: {
      HEADSCALE_CONFIG: '/etc/headscale/config.yaml',
      HEADSCALE_CONFIG_PATH: '/etc/headscale/config.yaml',
      HEADSCALE_SERVER_URL: 'https://vpn.example.org',
      HEADSCALE_DOMAIN_NAME: 'vpn.example.org',
      HEADSCALE_DNS_BASE_DOMAIN: 'tailnet',
      HEADSCALE_DNS_MAGIC_DNS: 'true',
      HEADSCALE_DNS_NAMESERVERS_GLOBAL:
        '1.1.1.1, 1.0.0.1, 2606:4700:4700::1111, 2606:4700:4700::1001',
      HEADSCALE_DNS_SEARCH_DOMAINS: '',
      HEADSCALE_PREFIXES_ALLOCATION: 'random',
      HEADSCALE_EPHEMERAL_NODE_INACTIVITY_TIMEOUT: '30m',
    },
    file: V0_27,
  },
  'the settings with which headscale tests itself': {
    env: {
      HEADSCALE_LOG_LEVEL: 'trace',
      HEADSCALE_POLICY_PATH: '',
      HEADSCALE_DATABASE_TYPE: 'sqlite',
      HEADSCALE_DATABASE_SQLITE_PATH: '/tmp/db.sqlite3',
      HEADSCALE_DATABASE_DEBUG: '0',
      HEADSCALE_DATABASE_GORM_SLOW_THRESHOLD: '1',
      HEADSCALE_EPHEMERAL_NODE_INACTIVITY_TIMEOUT: '30m',
      HEADSCALE_PREFIXES_V4: '100.64.0.0/10',
      HEADSCALE_PREFIXES_V6: 'fd7a:115c:a1e0::/48',
      HEADSCALE_DNS_BASE_DOMAIN: 'headscale.test',
      HEADSCALE_DNS_MAGIC_DNS: 'true',
      HEADSCALE_DNS_OVERRIDE_LOCAL_DNS: 'false',
      HEADSCALE_DNS_NAMESERVERS_GLOBAL: '127.0.0.11 1.1.1.1',
      HEADSCALE_PRIVATE_KEY_PATH: '/tmp/private.key',
      HEADSCALE_NOISE_PRIVATE_KEY_PATH: '/tmp/noise_private.key',
      HEADSCALE_LISTEN_ADDR: '0.0.0.0:8080',
      HEADSCALE_METRICS_LISTEN_ADDR: '0.0.0.0:9090',
      HEADSCALE_SERVER_URL: 'https://hs.test:8080',
      HEADSCALE_DEBUG_PORT: '40000',
      HEADSCALE_DERP_URLS: ' ',
      HEADSCALE_DERP_SERVER_ENABLED: 'true',
      HEADSCALE_DERP_SERVER_REGION_ID: '999',
      HEADSCALE_DERP_SERVER_STUN_LISTEN_ADDR: '0.0.0.0:3478',
      HEADSCALE_DERP_UPDATE_FREQUENCY: '1m',
      HEADSCALE_TUNING_BATCH_CHANGE_DELAY: '300ms',
    },
    file: { private_key_path: '/tmp/private.key', 'noise.private_key_path': '/tmp/noise.key' },
  },
};

/** The YAML of a configuration file that sets these keys, nested as people write it. */
export function fileOf(keys: Keys): string {
  const root = new Map<string, unknown>();
  for (const [name, value] of Object.entries(keys)) {
    const parts = name.split('.');
    let section = root;
    for (const part of parts.slice(0, -1)) {
      const inner = section.get(part);
      const next = inner instanceof Map ? (inner as Map<string, unknown>) : new Map();
      section.set(part, next);
      section = next;
    }
    section.set(parts.at(-1) ?? '', value);
  }
  return stringify(root);
}

function without(keys: Keys, ...names: readonly string[]): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([name]) => !names.includes(name)));
}
