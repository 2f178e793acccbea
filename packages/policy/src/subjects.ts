/**
 * What the policy engine must know of a tailnet: who its users are, and of each node what a rule can
 * ask for. Values: replaced, never changed in place.
 */
import type { Address } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';

export interface PolicyUser {
  readonly id: number;
  readonly name: string;
  /** Empty when unknown. */
  readonly email: string;
  /** The identity provider's identifier; empty for a user made by hand. */
  readonly providerId: string;
  /** Absent: a plain member. */
  readonly role:
    | 'owner'
    | 'admin'
    | 'network-admin'
    | 'it-admin'
    | 'billing-admin'
    | 'auditor'
    | undefined;
}

/** Attributes that posture conditions ask for, by name such as `node:os`; one that is unknown is absent. */
export type PostureAttributes = ReadonlyMap<string, string | number | boolean>;

export interface PolicyNode {
  readonly id: number;
  /** Absent for a tagged node. */
  readonly userId: number | undefined;
  /** Sorted. */
  readonly tags: readonly string[];
  /** Its own tailnet addresses, IPv4 first. */
  readonly addresses: readonly Address[];
  /** What the client announces (Hostinfo.RoutableIPs), exit routes included. */
  readonly announced: readonly Prefix[];
  /** Announced and approved: what it may serve as a subnet router, without exit routes. */
  readonly routes: readonly Prefix[];
  /** Announced and approved as an exit node. */
  readonly exitNode: boolean;
  readonly posture: PostureAttributes;
}

/** A node of which nothing is known, neither an id nor addresses: to stand in for one that is to come. */
export const UNKNOWN_NODE: PolicyNode = {
  id: -1,
  userId: undefined,
  tags: [],
  addresses: [],
  announced: [],
  routes: [],
  exitNode: false,
  posture: new Map(),
};
