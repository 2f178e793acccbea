-- The schema of malla's SQLite database. This file is the truth: a test compares what the migrations
-- produce with it. Times are Unix milliseconds; lists and host information are JSON text; an absent
-- value is NULL. AUTOINCREMENT: an id is never reused, also not after the newest row is deleted.

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
  pre_auth_key_id INTEGER, -- may outlive the key
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

-- The newest entries of each node, up to a limit; they go with their node.
CREATE TABLE audit_entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  node_id INTEGER NOT NULL,
  action TEXT NOT NULL,
  details TEXT NOT NULL,
  timestamp INTEGER NOT NULL
) STRICT;

CREATE INDEX audit_entries_node ON audit_entries (node_id);

-- Everything that was in force, the newest last; only the newest 1,000 are kept.
CREATE TABLE policies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  source TEXT NOT NULL,             -- file or database: where it came from; none: no policy was set from then on
  author TEXT NOT NULL,             -- 'file', 'local' (the unix socket), or the prefix of an API key
  created_at INTEGER NOT NULL,
  text TEXT NOT NULL                -- HuJSON as it was written; last, so that lists need not read past it
) STRICT;

-- Names that are not nodes, beside those of the configuration.
CREATE TABLE dns_records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  name TEXT NOT NULL,               -- lower case, without a dot at its end
  type TEXT NOT NULL,               -- A or AAAA, as the value is
  value TEXT NOT NULL,              -- an address, canonical
  created_at INTEGER NOT NULL,
  UNIQUE (tailnet, name, value)
) STRICT;

-- One row, id 1: the schema's version, and the revision that each commit adds one to. What PRAGMA
-- user_version says is the oldest version whose programs may use the database.
CREATE TABLE store (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  version INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

-- At which revision a row was last written or deleted, for the newest 10,000 revisions.
CREATE TABLE written (
  table_name TEXT NOT NULL,
  row_id INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (table_name, row_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX written_revision ON written (revision);
