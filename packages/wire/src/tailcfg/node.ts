/**
 * Nodes, changes of nodes and users as a network map has them: tailcfg.Node, PeerChange and UserProfile.
 * Values are spelled as on the wire, so that writing one is `JSON.stringify`: what a control server sends
 * most of is encoded without a copy.
 *
 * Source: docs/protocol/control.md §Nodes. Observed: clients 1.80 to 1.102.
 */
import type { DiscoPublic, MachinePublic, NodePublic } from '@malla/keys/key';
import { type Resolver, resolver } from './dns-config.ts';
import { canonicalEndpoint, MAX_ENDPOINT_CHARS } from './endpoint.ts';
import { type Hostinfo, MAX_ROUTES, readHostinfo } from './hostinfo.ts';
import {
  address,
  anything,
  flag,
  integer,
  key,
  list,
  prefix,
  type Reader,
  recordWithNulls,
  shape,
  text,
  time,
} from './shape.ts';

/** What a node has or may: a name, and values of any JSON. Null is a capability without values. */
export type CapMap = { readonly [capability: string]: readonly unknown[] | null };

/** tailcfg.Node: oneself or a peer. Absent is what Go calls zero. */
export interface MapNode {
  readonly ID: number;
  readonly StableID?: string;
  /** With a dot at its end. */
  readonly Name?: string;
  /** The id of a {@link UserProfile}. */
  readonly User?: number;
  readonly Sharer?: number;
  readonly Key: NodePublic;
  /** RFC 3339. Absent or Go's zero time: never. */
  readonly KeyExpiry?: string;
  /** Base64, of tailnet lock. */
  readonly KeySignature?: string;
  readonly Machine?: MachinePublic;
  readonly DiscoKey?: DiscoPublic;
  /** Its own, each a prefix of one address. */
  readonly Addresses: readonly string[];
  /** What it may send from and is sent for. Absent: its addresses. */
  readonly AllowedIPs?: readonly string[];
  /** Those of its AllowedIPs that are routes, but exit routes. */
  readonly PrimaryRoutes?: readonly string[];
  readonly Endpoints?: readonly string[];
  readonly HomeDERP?: number;
  readonly Created?: string;
  /** Capability version. */
  readonly Cap?: number;
  readonly Tags?: readonly string[];
  readonly CapMap?: CapMap;
  readonly Expired?: boolean;
  readonly Online?: boolean;
  readonly LastSeen?: string;
  readonly MachineAuthorized?: boolean;
  readonly Hostinfo?: Hostinfo;
  readonly UnsignedPeerAPIOnly?: boolean;
  /** Our address as this peer sees it. */
  readonly SelfNodeV4MasqAddrForThisPeer?: string;
  readonly SelfNodeV6MasqAddrForThisPeer?: string;
  readonly IsWireGuardOnly?: boolean;
  readonly IsJailed?: boolean;
  readonly ExitNodeDNSResolvers?: readonly Resolver[];
}

/** tailcfg.PeerChange: what has changed of a peer. Absent is unchanged. */
export interface PeerChange {
  readonly NodeID: number;
  readonly DERPRegion?: number;
  readonly Cap?: number;
  readonly CapMap?: CapMap;
  readonly Endpoints?: readonly string[];
  readonly Key?: NodePublic;
  readonly KeySignature?: string;
  readonly DiscoKey?: DiscoPublic;
  readonly Online?: boolean;
  readonly LastSeen?: string;
  /** Go's zero time: never. */
  readonly KeyExpiry?: string;
}

/** tailcfg.UserProfile: whom nodes belong to. */
export interface UserProfile {
  readonly ID: number;
  readonly LoginName?: string;
  readonly DisplayName?: string;
  readonly ProfilePicURL?: string;
}

/** Nodes that one message may list. */
export const MAX_NODES: number = 1 << 17;
/** Users that one message may list. */
export const MAX_PROFILES: number = 1 << 17;
const MAX_CAPABILITIES = 1024;
const MAX_CAPABILITY_VALUES = 4096;
const MAX_TAGS = 256;
const MAX_NODE_ENDPOINTS = 256;
/** A signature of tailnet lock wraps others, of keys that were before. */
const MAX_SIGNATURE_CHARS = 16 * 1024;
const MAX_REGION = 0x7fff_ffff;

const id = integer(1);
const userId = integer(-Number.MAX_SAFE_INTEGER);
const routes = list(prefix, 2 * MAX_ROUTES);

const endpoint: Reader<string> = (value, trail) =>
  (typeof value === 'string' && value.length <= MAX_ENDPOINT_CHARS
    ? canonicalEndpoint(value)
    : undefined) ?? trail.fault('expected an endpoint');

/** Reads a {@link CapMap}. */
export const capMap: Reader<CapMap> = recordWithNulls(
  list(anything, MAX_CAPABILITY_VALUES),
  MAX_CAPABILITIES,
);

const withoutLegacy: Reader<MapNode> = shape<MapNode>(
  {
    ID: id,
    StableID: text(),
    Name: text(),
    User: userId,
    Sharer: userId,
    Key: key('nodekey'),
    KeyExpiry: time,
    KeySignature: text(MAX_SIGNATURE_CHARS),
    Machine: key('mkey'),
    DiscoKey: key('discokey'),
    Addresses: list(prefix, 64),
    AllowedIPs: routes,
    PrimaryRoutes: routes,
    Endpoints: list(endpoint, MAX_NODE_ENDPOINTS),
    HomeDERP: integer(0, MAX_REGION),
    Created: time,
    Cap: integer(0),
    Tags: list(text(), MAX_TAGS),
    CapMap: capMap,
    Expired: flag,
    Online: flag,
    LastSeen: time,
    MachineAuthorized: flag,
    Hostinfo: readHostinfo,
    UnsignedPeerAPIOnly: flag,
    SelfNodeV4MasqAddrForThisPeer: address,
    SelfNodeV6MasqAddrForThisPeer: address,
    IsWireGuardOnly: flag,
    IsJailed: flag,
    ExitNodeDNSResolvers: list(resolver, 64),
  },
  ['ID', 'Key', 'Addresses'],
);

/** What servers that know older clients send beside HomeDERP, or in its place. */
const LEGACY_DERP = /^127\.3\.3\.40:([1-9]\d{0,8})$/;

/** Reads a {@link MapNode}; one without id, key or addresses is none. */
export const mapNode: Reader<MapNode> = (value, trail) => {
  const node = withoutLegacy(value, trail);
  if (node === undefined || node.HomeDERP !== undefined) return node;
  const { DERP } = value as { readonly DERP?: unknown };
  const region = typeof DERP === 'string' ? LEGACY_DERP.exec(DERP)?.[1] : undefined;
  return region === undefined ? node : { ...node, HomeDERP: Number(region) };
};

/** Reads a {@link PeerChange}. */
export const peerChange: Reader<PeerChange> = shape<PeerChange>(
  {
    NodeID: id,
    DERPRegion: integer(0, MAX_REGION),
    Cap: integer(0),
    CapMap: capMap,
    Endpoints: list(endpoint, MAX_NODE_ENDPOINTS),
    Key: key('nodekey'),
    KeySignature: text(MAX_SIGNATURE_CHARS),
    DiscoKey: key('discokey'),
    Online: flag,
    LastSeen: time,
    KeyExpiry: time,
  },
  ['NodeID'],
);

/** Reads a {@link UserProfile}. */
export const userProfile: Reader<UserProfile> = shape<UserProfile>(
  { ID: userId, LoginName: text(), DisplayName: text(), ProfilePicURL: text(4096) },
  ['ID'],
);
