/** The versions of the policy. */
import type { Migration } from './migration.ts';

export const policies: Migration = {
  version: 2,
  title: 'policies',
  apply: (database) => database.exec(SQL),
};

const SQL = `
CREATE TABLE policies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tailnet INTEGER NOT NULL,
  source TEXT NOT NULL,
  author TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
`;
