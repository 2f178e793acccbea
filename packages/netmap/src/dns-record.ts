/**
 * DNS records that are no nodes, as official clients can answer them: an exact name and one IP address.
 * A client keeps names as it gets them and asks in lower case, goes by the address whatever the type
 * says, ignores any other type, and knows no wildcards here; so that is all a record may be.
 *
 * Source: RFC 1035 §2.3. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { formatAddress, parseAddress } from '@malla/ip/address';

export type DnsRecordType = 'A' | 'AAAA';

/** A record in its one spelling. */
export interface DnsRecord {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  readonly type: DnsRecordType;
  /** An address of that type, canonical. */
  readonly value: string;
}

/** Records that one source (the configuration, its file, the database) may hold. */
export const MAX_RECORDS = 10_000;

/** RFC 1035 §2.3.4, without the dot at the end. */
const MAX_NAME_CHARS = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** What was asked for; an absent or empty type is that of the value. */
export interface WantedRecord {
  readonly name: string;
  readonly type?: string | undefined;
  readonly value: string;
}

/** Reads a record in any spelling. The error is a sentence for people. Never throws. */
export function parseDnsRecord(wanted: WantedRecord): Result<DnsRecord, string> {
  const name = wanted.name.toLowerCase().replace(/\.$/, '');
  const fault = faultOfName(name);
  if (fault !== undefined) return fail(`name "${excerpt(wanted.name)}" ${fault}`);
  const asked = (wanted.type ?? '').toUpperCase();
  if (asked !== '' && asked !== 'A' && asked !== 'AAAA') {
    return fail(
      `type must be A or AAAA, not "${excerpt(asked)}": clients know no others (${name})`,
    );
  }
  const address = parseAddress(wanted.value);
  const type = !address.ok ? undefined : address.value.family === 4 ? 'A' : 'AAAA';
  if (!address.ok || type === undefined || (asked !== '' && asked !== type)) {
    const expected = asked === '' ? 'an IP address' : `an address of type ${asked}`;
    return fail(`value "${excerpt(wanted.value)}" is not ${expected} (${name})`);
  }
  return ok({ name, type, value: formatAddress(address.value) });
}

/**
 * Why clients would pass over a record that is no mistake: other servers take such ones. A source that holds
 * one goes without it; nobody is told that it was made. Undefined: {@link parseDnsRecord} says more.
 */
export function unservedReason({ name, type = '' }: WantedRecord): string | undefined {
  if (!/^(?:A|AAAA)?$/i.test(type)) {
    return `clients know only A and AAAA records, not ${JSON.stringify(type.slice(0, 20))}`;
  }
  return isWildcard(name) ? `name "${excerpt(name)}" ${NO_WILDCARDS}` : undefined;
}

const NO_WILDCARDS =
  'has a wildcard, which clients do not answer; dns.magic_dns_wildcard gives every node one';

function isWildcard(name: string): boolean {
  return name.split('.').includes('*');
}

/** Whether two records say the same. */
export function sameRecord(a: DnsRecord, b: DnsRecord): boolean {
  return a.name === b.name && a.type === b.type && a.value === b.value;
}

/** The records without those that say the same as an earlier one. */
export function withoutRepeats<R extends DnsRecord>(records: Iterable<R>): readonly R[] {
  const seen = new Map<string, R>();
  for (const record of records) {
    const key = `${record.name} ${record.value}`;
    if (!seen.has(key)) seen.set(key, record);
  }
  return [...seen.values()];
}

function faultOfName(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > MAX_NAME_CHARS) return `is longer than ${MAX_NAME_CHARS} characters`;
  if (isWildcard(name)) return NO_WILDCARDS;
  if (parseAddress(name).ok) return 'is an IP address';
  const wrong = name.split('.').find((label) => !LABEL.test(label));
  if (wrong === undefined) return undefined;
  return wrong === ''
    ? 'has an empty label'
    : `has a label that is no part of a DNS name: "${wrong.slice(0, 64)}"`;
}

/** Foreign text in a message: its beginning. */
function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
