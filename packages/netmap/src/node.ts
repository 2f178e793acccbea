/**
 * A node of a tailnet as control knows it: identity, addresses, and what the client last reported.
 * A value: never changed in place, always replaced. Whether a node is online is not here: that is
 * the sessions' business and never stored.
 */
import type { DiscoPublic, MachinePublic, NodePublic } from '@malla/keys/key';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import type { TailnetId, UserId } from './user.ts';

/** 1 to 2^53 - 1, never reused. */
export type NodeId = number;

export const RegisterMethod = { authKey: 'authkey', cli: 'cli', oidc: 'oidc' } as const;
export type RegisterMethod = (typeof RegisterMethod)[keyof typeof RegisterMethod];

export interface Node {
  readonly id: NodeId;
  readonly tailnet: TailnetId;
  /** Identifies the device; the same machine may hold several nodes (one for each user). */
  readonly machineKey: MachinePublic;
  /** Unique. Rotates at re-login; id and addresses stay. */
  readonly nodeKey: NodePublic;
  /** Absent until the client has reported one; new with each process of the client. */
  readonly discoKey: DiscoPublic | undefined;
  /** Absent for a tagged node: a node has an owner or tags, never both. */
  readonly userId: UserId | undefined;
  /** Sorted `tag:name`; empty for a node that a user owns. */
  readonly tags: readonly string[];
  /** What the client calls itself, as reported. */
  readonly hostname: string;
  /** DNS label, unique in the tailnet: `hostname` made a label, or what an administrator chose. */
  readonly name: string;
  /** Chosen by an administrator: a changed hostname no longer changes it. */
  readonly nameIsFixed: boolean;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly hostinfo: Hostinfo;
  /** `ip:port`, in the client's order. */
  readonly endpoints: readonly string[];
  /** Home DERP region; 0 while unknown. */
  readonly homeDerp: number;
  /** The client's capability version; 0 while unknown. */
  readonly capVersion: number;
  readonly registerMethod: RegisterMethod;
  readonly preAuthKeyId: number | undefined;
  /** Deleted some time after it disconnects. */
  readonly ephemeral: boolean;
  /** Unix ms when the node key expires; absent: never. */
  readonly expiry: number | undefined;
  /** Unix ms. */
  readonly createdAt: number;
  /** Unix ms of the end of its last session, or of its last request. */
  readonly lastSeen: number | undefined;
  /** Prefixes an administrator approved, canonical text. */
  readonly approvedRoutes: readonly string[];
}

/** A node of which nothing is known but who it is: nobody's, without a name, addresses or rights. */
export function unknownNode(
  who: Pick<Node, 'id' | 'tailnet' | 'machineKey' | 'nodeKey' | 'createdAt'>,
): Node {
  return {
    ...who,
    discoKey: undefined,
    userId: undefined,
    tags: [],
    hostname: '',
    name: 'unknown',
    nameIsFixed: false,
    ipv4: undefined,
    ipv6: undefined,
    hostinfo: {},
    endpoints: [],
    homeDerp: 0,
    capVersion: 0,
    registerMethod: RegisterMethod.cli,
    preAuthKeyId: undefined,
    ephemeral: false,
    expiry: undefined,
    lastSeen: undefined,
    approvedRoutes: [],
  };
}

/** Whether the node key has expired at `now` (Unix ms). */
export function isExpired(node: Node, now: number): boolean {
  return node.expiry !== undefined && node.expiry <= now;
}
