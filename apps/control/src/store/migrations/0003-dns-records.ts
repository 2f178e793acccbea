/** DNS records that administrators add while the server runs. */
import { column, columns, type Migration } from './migration.ts';

export const dnsRecords: Migration = {
  version: 3,
  title: 'dns-records',
  minReader: 3,
  steps: [
    {
      create: {
        name: 'dns_records',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          ...columns('text', 'name', 'type', 'value'),
          column('created_at', 'integer'),
        ],
        unique: [['tailnet', 'name', 'value']],
      },
    },
  ],
};
