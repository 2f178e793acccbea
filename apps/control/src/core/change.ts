/**
 * Changes: what a command does to the tailnet, as values. A change is one row before and after, so
 * it can be stored, applied, undone, and turned into what peers must be told.
 */
import type { ApiKey, PreAuthKey } from '@malla/netmap/credential';
import type { DnsRecord } from '@malla/netmap/dns-record';
import type { Node } from '@malla/netmap/node';
import type { User } from '@malla/netmap/user';

/** An entry of a node's audit log, as the client sent it. */
export interface AuditEntry {
  readonly id: number;
  readonly tailnet: number;
  readonly nodeId: number;
  readonly action: string;
  readonly details: string;
  /** Unix ms, the client's clock. */
  readonly timestamp: number;
}

/** What was in force from when it was applied until the next one was: a text, or none. */
export interface PolicyVersion {
  readonly id: number;
  readonly tailnet: number;
  /** Where it came from. */
  readonly source: PolicySource;
  /** `file`, `local` for whoever used the unix socket, or the prefix of an API key. */
  readonly author: string;
  /** HuJSON as it was written; empty where the source is `none`. */
  readonly text: string;
  /** When it was applied, Unix ms. */
  readonly createdAt: number;
}

/** `none`: somebody went back to no policy. */
export const POLICY_SOURCES = ['file', 'database', 'none'] as const;
export type PolicySource = (typeof POLICY_SOURCES)[number];

/** A DNS record that an administrator added. */
export interface StoredDnsRecord extends DnsRecord {
  readonly id: number;
  readonly tailnet: number;
  /** Unix ms. */
  readonly createdAt: number;
}

/** The rows that are stored, by table name. */
export interface Tables {
  readonly user: User;
  readonly node: Node;
  readonly preAuthKey: PreAuthKey;
  readonly apiKey: ApiKey;
  readonly audit: AuditEntry;
  readonly policy: PolicyVersion;
  readonly dnsRecord: StoredDnsRecord;
}
export type TableName = keyof Tables;

type Row<T extends TableName> = {
  readonly table: T;
  readonly id: number;
  /** Absent: the row is new. */
  readonly before: Tables[T] | undefined;
  /** Absent: the row is deleted. */
  readonly after: Tables[T] | undefined;
};
export type Change = { [T in TableName]: Row<T> }[TableName];

/** What a command decided: nothing has happened yet. */
export interface Decision<Answer> {
  readonly changes: readonly Change[];
  readonly answer: Answer;
  /**
   * `now`: stored before the answer is given. `soon`: applied and told to peers at once, stored within
   * seconds; only for what clients report again after a restart anyway (endpoints, disco key, last seen),
   * and that no other row depends on.
   */
  readonly durability: 'now' | 'soon';
}

/** A decision that is stored before it is answered. */
export function decide<Answer>(changes: readonly Change[], answer: Answer): Decision<Answer> {
  return { changes, answer, durability: 'now' };
}

/** A decision whose changes may be stored a little later. */
export function decideSoon<Answer>(changes: readonly Change[], answer: Answer): Decision<Answer> {
  return { changes, answer, durability: 'soon' };
}
