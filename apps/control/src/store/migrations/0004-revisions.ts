/**
 * Which revision the database is at, which schema it has, and at which revision each row was last
 * written or deleted: what whoever follows it has missed.
 */
import { column, columns, type Migration } from './migration.ts';

export const revisions: Migration = {
  version: 4,
  title: 'revisions',
  minReader: 3,
  steps: [
    {
      create: {
        name: 'store',
        columns: [column('id', 'id'), ...columns('integer', 'version', 'revision')],
      },
    },
    {
      create: {
        name: 'written',
        columns: [column('table_name', 'text'), ...columns('integer', 'row_id', 'revision')],
        primaryKey: ['table_name', 'row_id'],
      },
    },
    { index: { name: 'written_revision', table: 'written', columns: ['revision'] } },
  ],
};
