/** The bodies of the REST API about DNS records. */
import { z } from 'zod';
import { Id, Time } from './schemas.ts';

/** As long as a DNS name may be written, with room for a mistake to be told in full. */
const Text = z.string().max(512);

export const DnsRecordSource = z.enum(['config', 'file', 'database']);

export const DnsRecord = z.object({
  id: Id.nullable().meta({ description: 'Null for one that is not in the database.' }),
  name: z.string().meta({ description: 'Lower case, without a dot at its end.' }),
  type: z.enum(['A', 'AAAA']),
  value: z.string().meta({ description: 'An address.' }),
  source: DnsRecordSource.meta({
    description: 'dns.extra_records, the file of dns.extra_records_path, or this API.',
  }),
  createdAt: Time.nullable(),
});
export type DnsRecord = z.output<typeof DnsRecord>;

export const DnsRecordAnswer = z.object({ record: DnsRecord });
export const DnsRecordsAnswer = z.object({ records: z.array(DnsRecord) });

export const AddDnsRecordBody = z.strictObject({
  name: Text,
  type: Text.default('').meta({ description: 'A or AAAA; empty: as the value is.' }),
  value: Text.meta({ description: 'An IP address.' }),
});

/** Which records to remove: one by id, or all of a name, of a type and value where given. */
export const RemoveDnsRecordsQuery = z.strictObject({
  id: Id.optional(),
  name: Text.optional(),
  type: Text.optional(),
  value: Text.optional(),
});
