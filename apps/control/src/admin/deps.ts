/** What the administrators' API needs from the rest of the control server. */
import type { Logger } from '@malla/base/logger';
import type { Prefix } from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import type { AddressPlan } from '../core/addresses.ts';
import type { IsRecord } from '../core/node-name.ts';
import type { TagPolicy } from '../core/tags.ts';
import type { ListedRecord } from '../dns/tailnet-dns.ts';
import type { TailnetEvents } from '../events.ts';
import type { Ledger } from '../ledger.ts';
import type { LoginDecisions } from '../logins/decisions.ts';
import type { QuestionDeps } from '../policy/questions.ts';
import type { Store } from '../store/store.ts';

/** An HTTP exchange with a connected client over its map stream (c2n). */
export interface C2n {
  /**
   * Sends a request and waits for the client's answer, the raw HTTP/1.1 response bytes. Throws MallaError
   * `node.not-found`, `node.offline`, `node.timeout`.
   */
  request(node: NodeId, method: string, path: string, body: string): Promise<Uint8Array>;
}

/** The DNS records there are, from wherever they come. */
export interface DnsRecords {
  /** Of the names of nodes; empty where they have none. */
  readonly baseDomain: string;
  list(): readonly ListedRecord[];
  /** Whether a node of this name would have that of a record. */
  readonly isRecord: IsRecord;
}

export interface AdminDeps {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly logins: LoginDecisions;
  readonly c2n: C2n;
  readonly dns: DnsRecords;
  readonly policy: QuestionDeps;
  /** What `nodes backfillips` fills in. */
  readonly addresses: AddressPlan;
  /** Which tags the policy defines. */
  readonly tags: TagPolicy;
  /** The routes of those that a node offers which the policy approves by itself. */
  readonly autoApproved: (node: Node) => readonly Prefix[];
  /** Whether a node has a live session. */
  readonly isOnline: (node: NodeId) => boolean;
  /** The routes that a node serves now, canonical, exit routes last. */
  readonly servedBy: (node: NodeId) => readonly string[];
  readonly events: TailnetEvents;
  /** Unix ms. */
  readonly now: () => number;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly log: Logger;
  /** The server's, for the OpenAPI document. */
  readonly version: string;
}
