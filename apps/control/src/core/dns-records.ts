/** DNS records that administrators add and remove while the server runs: names that are not nodes. */
import { MallaError } from '@malla/base/error';
import { formatAddress, parseAddress } from '@malla/ip/address';
import {
  type DnsRecord,
  MAX_RECORDS,
  parseDnsRecord,
  sameRecord,
  type WantedRecord,
} from '@malla/netmap/dns-record';
import { type Change, decide, type Decision, type StoredDnsRecord } from './change.ts';
import type { Context, State } from './state.ts';

/**
 * Adds a record. Throws MallaError `dns.record-invalid`, `dns.record-limit`, and `dns.record-exists` where
 * it is there already or would take the name of a node: clients ask records first.
 */
export function addDnsRecord(
  state: State,
  wanted: WantedRecord,
  baseDomain: string,
  context: Context,
): Decision<StoredDnsRecord> {
  const parsed = parseDnsRecord(wanted);
  if (!parsed.ok) throw new MallaError('dns.record-invalid', parsed.error);
  const record = parsed.value;
  if (state.dnsRecordCount() >= MAX_RECORDS) {
    throw new MallaError(
      'dns.record-limit',
      `there are ${MAX_RECORDS} records, and no more may be`,
    );
  }
  refuseTaken(state, record, baseDomain);
  const id = state.nextId('dnsRecord');
  const after = { ...record, id, tailnet: context.tailnet, createdAt: context.now };
  return decide([{ table: 'dnsRecord', id, before: undefined, after }], after);
}

/** Which records are meant: one by id, or those of a name, of a type and value where given. */
export interface RecordSelector {
  readonly id?: number | undefined;
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly value?: string | undefined;
}

/** Removes what is meant, all at once. Throws MallaError `request.invalid`, `dns.record-not-found`. */
export function removeDnsRecords(
  state: State,
  selector: RecordSelector,
): Decision<readonly StoredDnsRecord[]> {
  const { id, name, type, value } = selector;
  if ((id === undefined) === (name === undefined)) {
    throw new MallaError('request.invalid', 'say which record: either its id or its name');
  }
  const isMeant = matcher(selector);
  const removed = [...state.dnsRecords()].filter(isMeant);
  if (removed.length === 0) {
    const what = [name ?? `number ${id}`, type, value].filter((part) => part !== undefined);
    throw new MallaError(
      'dns.record-not-found',
      `there is no DNS record ${what.join(' ')} to remove`,
      {
        details: { ...selector },
      },
    );
  }
  const changes = removed.map((before): Change => ({
    table: 'dnsRecord',
    id: before.id,
    before,
    after: undefined,
  }));
  return decide(changes, removed);
}

/** A name and a value may be spelled as they were when the record was added. */
function matcher({ id, name, type, value }: RecordSelector): (record: StoredDnsRecord) => boolean {
  if (id !== undefined) return (record) => record.id === id;
  const label = name?.toLowerCase().replace(/\.$/, '');
  const address = value === undefined ? undefined : addressOf(value);
  return (record) =>
    record.name === label &&
    (type === undefined || record.type === type.toUpperCase()) &&
    (address === undefined || record.value === address);
}

function addressOf(text: string): string {
  const parsed = parseAddress(text);
  return parsed.ok ? formatAddress(parsed.value) : text;
}

function refuseTaken(state: State, record: DnsRecord, baseDomain: string): void {
  const same = [...state.dnsRecords()].find((other) => sameRecord(record, other));
  if (same !== undefined) {
    throw new MallaError('dns.record-exists', 'this DNS record is there already', {
      details: { id: same.id },
    });
  }
  const label = labelIn(record.name, baseDomain);
  if (label !== undefined && state.nodeByName(label) !== undefined) {
    throw new MallaError('dns.record-exists', `${record.name} is the name of a node`);
  }
}

/** What a node would be called that has this name; undefined: none can have it. */
export function labelIn(name: string, baseDomain: string): string | undefined {
  if (baseDomain === '' || !name.endsWith(`.${baseDomain}`)) return undefined;
  const label = name.slice(0, -baseDomain.length - 1);
  return label.includes('.') ? undefined : label;
}
