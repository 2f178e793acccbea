/** Keys for what is kept, and for the command line. */
import * as kind from '../kind.ts';
import { optional, setting } from './key.ts';

const GORM = { unused: 'malla talks to its database without an object mapper' } as const;
const BATCHING = {
  unused: 'malla does not wait to collect changes, so there is nothing to tune',
} as const;
const POSTGRES = { only: 'database.type postgres' } as const;

export const STORE_KEYS = {
  'database.type': setting(
    kind.oneOf('sqlite', 'sqlite3', 'postgres'),
    'sqlite',
    'The kind of database: sqlite (sqlite3 is the same). postgres is refused until that store is built.',
    {
      example: 'sqlite',
      refused:
        'the PostgreSQL store is not built yet: use sqlite, with database.sqlite.path on a local disk',
    },
  ),
  'database.debug': setting(kind.bool, 'false', 'Log every statement.', GORM),
  'database.gorm.prepare_stmt': setting(kind.bool, 'true', 'Prepare statements.', GORM),
  'database.gorm.parameterized_queries': setting(kind.bool, 'true', 'Log no parameters.', GORM),
  'database.gorm.skip_err_record_not_found': setting(kind.bool, 'true', 'Log no misses.', GORM),
  'database.gorm.slow_threshold': setting(
    kind.count(0, 86_400_000),
    '0',
    'Log slower queries, ms.',
    GORM,
  ),
  'database.sqlite.path': optional(
    kind.path,
    'malla.db in data_dir',
    'The database file, on a local disk.',
    { example: '/var/lib/malla/malla.db' },
  ),
  'database.sqlite.write_ahead_log': setting(
    kind.bool,
    'true',
    'Use a write-ahead log: readers never wait, and a commit is one disk sync.',
  ),
  'database.sqlite.wal_autocheckpoint': setting(
    kind.count(0, 1_000_000),
    '1000',
    'Pages in that log after which it is folded into the database at once, else some seconds after a commit; 0 is never, for programs that do it themselves.',
  ),
  'database.postgres.host': setting(kind.text, '', 'Host or socket path.', POSTGRES),
  'database.postgres.port': setting(kind.count(0, 65_535), '0', 'Port.', POSTGRES),
  'database.postgres.name': setting(kind.text, '', 'Database.', POSTGRES),
  'database.postgres.user': setting(kind.text, '', 'User.', POSTGRES),
  'database.postgres.pass': setting(kind.secret, '', 'Password.', POSTGRES),
  'database.postgres.ssl': setting(kind.text, 'false', 'true, false or an sslmode.', POSTGRES),
  'database.postgres.max_open_conns': setting(
    kind.count(0, 10_000),
    '10',
    'Connections at most.',
    POSTGRES,
  ),
  'database.postgres.max_idle_conns': setting(
    kind.count(0, 10_000),
    '10',
    'Idle connections at most.',
    POSTGRES,
  ),
  'database.postgres.conn_max_idle_time_secs': setting(
    kind.count(0, 1_000_000),
    '3600',
    'Seconds after which an idle connection is closed.',
    POSTGRES,
  ),
  'cli.command': optional(
    kind.text,
    'found out: malla, ./bin/malla, docker exec ID malla …',
    'How malla is called where the server runs, for the commands that pages, messages and the log tell people to run. For example docker compose exec vpn malla.',
    { own: true },
  ),
  'cli.address': optional(
    kind.text,
    'the socket of this machine',
    'The server that the command line administers: a URL, or host:port for https. Best set by environment, with the key.',
  ),
  'cli.api_key': optional(kind.secret, 'none', 'API key for it, made by malla apikeys create.'),
  'cli.api_key_path': optional(kind.path, 'none', 'File that holds the API key.', { own: true }),
  'cli.timeout': setting(kind.duration(), '5s', 'How long the command line waits for the server.'),
  'cli.insecure': setting(
    kind.bool,
    'false',
    "Do not verify the server's certificate. For experiments: the API key can be stolen.",
  ),
  'tuning.register_cache_max_entries': setting(
    kind.count(1, 1_000_000),
    '1024',
    'Logins that may wait for an administrator at once; the oldest goes first.',
  ),
  'tuning.register_cache_expiration': setting(
    kind.duration(),
    '15m',
    'How long such a login waits.',
  ),
  'tuning.batch_change_delay': setting(kind.duration(), '0', 'Batching tick.', BATCHING),
  'tuning.batcher_workers': setting(kind.count(0, 100_000), '0', 'Workers that batch.', BATCHING),
  'tuning.node_mapsession_buffered_chan_size': setting(
    kind.count(0, 1_000_000),
    '0',
    'Queue of a map session.',
    BATCHING,
  ),
  'tuning.node_store_batch_size': setting(
    kind.count(0, 1_000_000),
    '0',
    'Changes in a batch.',
    BATCHING,
  ),
  'tuning.node_store_batch_timeout': setting(
    kind.duration(),
    '0',
    'How long a batch waits.',
    BATCHING,
  ),
  'tuning.notifier_send_timeout': setting(kind.duration(), '0', 'Nothing.', {
    unused: 'headscale reads this key and does nothing with it; so does malla',
  }),
};
