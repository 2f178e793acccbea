-- What: a database as malla 0.1.0 leaves it, with a row or two in each table, as SQL.
-- Whence: malla 0.1.0 (commit 89a7b1f), its SqliteStore committing the rows of its own sample-rows.ts.
-- When: 2026-11-28. Made by writing out sqlite_schema and the rows of its tables.
-- Rule: what 0.1.0 wrote is opened by every later malla. This file is never edited.
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  email TEXT NOT NULL,
  picture_url TEXT NOT NULL,
  provider TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_name ON users (tailnet, name) WHERE provider_id = '';
CREATE UNIQUE INDEX users_provider ON users (tailnet, provider, provider_id) WHERE provider_id <> '';
CREATE TABLE nodes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  machine_key TEXT NOT NULL,
  node_key TEXT NOT NULL UNIQUE,
  disco_key TEXT,
  user_id INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
  tags TEXT NOT NULL,
  hostname TEXT NOT NULL,
  name TEXT NOT NULL,
  name_is_fixed INTEGER NOT NULL,
  ipv4 TEXT,
  ipv6 TEXT,
  hostinfo TEXT NOT NULL,
  endpoints TEXT NOT NULL,
  home_derp INTEGER NOT NULL,
  cap_version INTEGER NOT NULL,
  register_method TEXT NOT NULL,
  pre_auth_key_id INTEGER,
  ephemeral INTEGER NOT NULL,
  expiry INTEGER,
  created_at INTEGER NOT NULL,
  last_seen INTEGER,
  approved_routes TEXT NOT NULL,
  UNIQUE (tailnet, name),
  UNIQUE (tailnet, ipv4),
  UNIQUE (tailnet, ipv6)
) STRICT;
CREATE INDEX nodes_user ON nodes (user_id);
CREATE TABLE pre_auth_keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  prefix TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  user_id INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
  tags TEXT NOT NULL,
  reusable INTEGER NOT NULL,
  ephemeral INTEGER NOT NULL,
  used INTEGER NOT NULL,
  expiration INTEGER,
  revoked_at INTEGER,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pre_auth_keys_user ON pre_auth_keys (user_id);
CREATE TABLE api_keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  prefix TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  expiration INTEGER,
  last_seen INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE audit_entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  node_id INTEGER NOT NULL,
  action TEXT NOT NULL,
  details TEXT NOT NULL,
  timestamp INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_entries_node ON audit_entries (node_id);
CREATE TABLE policies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  source TEXT NOT NULL,
  author TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE TABLE dns_records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (tailnet, name, value)
) STRICT;
INSERT INTO users (id, tailnet, name, display_name, email, picture_url, provider, provider_id, created_at) VALUES (1, 1, 'alice', 'Alice', '', '', '', '', 0);
INSERT INTO users (id, tailnet, name, display_name, email, picture_url, provider, provider_id, created_at) VALUES (2, 1, 'bob', '', '', '', '', '', 0);
INSERT INTO nodes (id, tailnet, machine_key, node_key, disco_key, user_id, tags, hostname, name, name_is_fixed, ipv4, ipv6, hostinfo, endpoints, home_derp, cap_version, register_method, pre_auth_key_id, ephemeral, expiry, created_at, last_seen, approved_routes) VALUES (1, 1, 'mkey:0000000000000001000000000000000000000000000000000000000000000000', 'nodekey:0000000000000001000000000000000000000000000000000000000000000000', 'discokey:0000000000000001000000000000000000000000000000000000000000000000', 1, '[]', 'host1', 'host1', 0, '100.64.0.1', 'fd7a:115c:a1e0::1', '{"Hostname":"host1","OS":"linux"}', '["192.0.2.1:41641"]', 0, 0, 'authkey', NULL, 0, NULL, 0, 1795000000000, '[]');
INSERT INTO nodes (id, tailnet, machine_key, node_key, disco_key, user_id, tags, hostname, name, name_is_fixed, ipv4, ipv6, hostinfo, endpoints, home_derp, cap_version, register_method, pre_auth_key_id, ephemeral, expiry, created_at, last_seen, approved_routes) VALUES (2, 1, 'mkey:0000000000000002000000000000000000000000000000000000000000000000', 'nodekey:0000000000000002000000000000000000000000000000000000000000000000', NULL, NULL, '["tag:web"]', 'host2', 'host2', 0, '100.64.0.2', 'fd7a:115c:a1e0::2', '{}', '[]', 0, 0, 'authkey', NULL, 0, NULL, 0, NULL, '["10.0.0.0/8"]');
INSERT INTO pre_auth_keys (id, tailnet, prefix, hash, user_id, tags, reusable, ephemeral, used, expiration, revoked_at, description, created_at) VALUES (1, 1, 'prefix', 'hash', 1, '[]', 1, 0, 1, 1795000000000, NULL, '', 0);
INSERT INTO api_keys (id, tailnet, prefix, hash, expiration, last_seen, created_at) VALUES (1, 1, 'api', 'hash', NULL, NULL, 0);
INSERT INTO audit_entries (id, tailnet, node_id, action, details, timestamp) VALUES (1, 1, 1, 'HEALTH', 'ok', 0);
INSERT INTO dns_records (id, tailnet, name, type, value, created_at) VALUES (1, 1, 'a.test', 'A', '192.0.2.1', 0);
INSERT INTO policies (id, tailnet, source, author, created_at, text) VALUES (1, 1, 'database', 'local', 0, '{}');
PRAGMA application_id = 1296125004;
PRAGMA user_version = 3;
