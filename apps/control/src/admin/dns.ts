/** REST handlers: DNS records. */
import type * as api from '@malla/api/v1/dns-schemas';
import { addDnsRecord, removeDnsRecords } from '../core/dns-records.ts';
import type { ListedRecord } from '../dns/tailnet-dns.ts';
import type { AdminDeps } from './deps.ts';
import type { HandlersOf } from './handler.ts';
import { idOf } from './input.ts';
import { timeView } from './row-views.ts';

export function dnsHandlers({
  ledger,
  dns,
  log,
}: AdminDeps): HandlersOf<'listDnsRecords' | 'addDnsRecord' | 'removeDnsRecords'> {
  return {
    listDnsRecords() {
      return { records: dns.list().map(recordView) };
    },

    async addDnsRecord(wanted, { name: author }) {
      const record = await ledger.execute((state, context) =>
        addDnsRecord(state, wanted, dns.baseDomain, context),
      );
      const { name, type, value } = record;
      log.info({ author, name, type, value }, 'DNS record added');
      return { record: recordView({ ...record, source: 'database' }) };
    },

    async removeDnsRecords({ id, ...selector }, { name: author }) {
      const removed = await ledger.execute((state) =>
        removeDnsRecords(state, { ...selector, id: id === undefined ? undefined : idOf(id) }),
      );
      for (const { name, type, value } of removed) {
        log.info({ author, name, type, value }, 'DNS record removed');
      }
      return { records: removed.map((record) => recordView({ ...record, source: 'database' })) };
    },
  };
}

function recordView({ id, name, type, value, source, createdAt }: ListedRecord): api.DnsRecord {
  return {
    id: id === undefined ? null : String(id),
    name,
    type,
    value,
    source,
    createdAt: createdAt === undefined ? null : timeView(createdAt),
  };
}
