/** The versions of the policy. */
import { column, columns, type Migration } from './migration.ts';

export const policies: Migration = {
  version: 2,
  title: 'policies',
  minReader: 2,
  steps: [
    {
      create: {
        name: 'policies',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          ...columns('text', 'source', 'author'),
          column('created_at', 'integer'),
          column('text', 'text'),
        ],
      },
    },
  ],
};
