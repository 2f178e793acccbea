/** DNS records that administrators add while the server runs. */
import type { Migration } from './migration.ts';

export const dnsRecords: Migration = {
  version: 3,
  title: 'dns-records',
  apply: (database) => database.exec(SQL),
};

const SQL = `
CREATE TABLE dns_records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  value TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (tailnet, name, value)
) STRICT;
`;
