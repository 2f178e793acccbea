/**
 * Nodes as clients read them: tailcfg.Node for a peer and for oneself, and tailcfg.PeerChange.
 *
 * One text serves every client from 1.80 (capability version 113) on, so it is encoded once for all
 * recipients. It is what a tailnet sends most of, so it spells nothing that clients would take for
 * granted: no zero time, no DERP beside HomeDERP, no Capabilities beside CapMap, and MachineAuthorized
 * of oneself only.
 *
 * Source: docs/protocol/control.md §Nodes. Observed: clients 1.80 to 1.102.
 */
import { sameJson } from '@malla/base/same-json';
import { formatPrefix } from '@malla/ip/prefix';
import { EXIT_ROUTES as EXIT_PREFIXES } from '@malla/ip/special';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import { formatTime } from '@malla/wire/tailcfg/json';
import type { CapMap, MapNode, PeerChange } from '@malla/wire/tailcfg/node';
import { isExpired, type Node } from './node.ts';
import { differenceOf, Differs } from './node-difference.ts';
import { TAGGED_DEVICES } from './user.ts';

/** What is true of a node now, besides its stored row. */
export interface Presence {
  readonly online: boolean;
  /** Unix ms; shown while offline. */
  readonly lastSeen: number | undefined;
}

/** What the encoding needs to know of the tailnet. */
export interface Naming {
  /** MagicDNS suffix without dots at its ends; empty: names stand alone. */
  readonly baseDomain: string;
}

/** What a node is given beside what it says of itself. */
export interface Granted {
  /**
   * Prefixes it serves, as far as the reader may use them: what AllowedIPs has beside its addresses.
   * Exit routes among them are no primary routes.
   */
  readonly routes: readonly string[];
  readonly capMap: CapMap | undefined;
  /** Whether the reader is told its IPv4 address, if it has one of IPv6 as well. */
  readonly ipv4: boolean;
}

/** Nothing: a node that serves no routes. */
export const NOTHING_GRANTED: Granted = { routes: [], capMap: undefined, ipv4: true };

/** The two default routes as text; who serves them is an exit node. */
export const EXIT_ROUTES: readonly string[] = EXIT_PREFIXES.map(formatPrefix);

/**
 * The JSON of a node for its peers. `now` decides whether its key has expired. One whose disco key is not
 * known yet serves nothing: a client cannot send it anything, and 1.80 gives up setting up its tunnel for
 * good when such a peer has a route (observed: it leaves out those that have none).
 */
export function encodePeer(
  node: Node,
  presence: Presence,
  naming: Naming,
  now: number,
  granted: Granted = NOTHING_GRANTED,
): string {
  const peer: MapNode = {
    ...common(
      node,
      naming,
      now,
      node.discoKey === undefined ? { ...granted, routes: [] } : granted,
    ),
    Online: presence.online,
    ...(presence.online || presence.lastSeen === undefined
      ? {}
      : { LastSeen: formatTime(presence.lastSeen) }),
    Hostinfo: peerHostinfo(node),
  };
  return JSON.stringify(peer);
}

/** The JSON of a node for itself. Its Hostinfo is its own, so it is left out. */
export function encodeSelf(node: Node, granted: Granted, naming: Naming, now: number): string {
  const self: MapNode = {
    ...common(node, naming, now, granted),
    Online: true,
    MachineAuthorized: true,
    Hostinfo: { OS: node.hostinfo.OS ?? '', Hostname: node.hostname },
  };
  return JSON.stringify(self);
}

function common(
  node: Node,
  naming: Naming,
  now: number,
  { routes, capMap, ipv4 }: Granted,
): MapNode {
  const addresses = addressesOf(node, ipv4);
  const primary = routes.filter((route) => !EXIT_ROUTES.includes(route));
  return {
    ID: node.id,
    StableID: stableIdOf(node),
    Name: fqdn(node, naming),
    User: node.userId ?? TAGGED_DEVICES.id,
    Key: node.nodeKey,
    ...(node.expiry === undefined ? {} : { KeyExpiry: formatTime(node.expiry) }),
    Machine: node.machineKey,
    ...(node.discoKey === undefined ? {} : { DiscoKey: node.discoKey }),
    Addresses: addresses,
    AllowedIPs: routes.length === 0 ? addresses : [...addresses, ...routes],
    ...(primary.length === 0 ? {} : { PrimaryRoutes: primary }),
    ...(node.endpoints.length === 0 ? {} : { Endpoints: node.endpoints }),
    ...(node.homeDerp === 0 ? {} : { HomeDERP: node.homeDerp }),
    Created: formatTime(node.createdAt),
    Cap: node.capVersion,
    ...(node.tags.length === 0 ? {} : { Tags: node.tags }),
    ...(capMap === undefined ? {} : { CapMap: capMap }),
    ...(isExpired(node, now) ? { Expired: true } : {}),
  };
}

/** The opaque id that URLs and client preferences use: the id in decimal, as headscale's, for importers. */
export function stableIdOf(node: Node): string {
  return String(node.id);
}

/** `name.suffix.` with the trailing dot that clients derive the MagicDNS suffix from. */
export function fqdn(node: Node, naming: Naming): string {
  return naming.baseDomain === '' ? `${node.name}.` : `${node.name}.${naming.baseDomain}.`;
}

function addressesOf(node: Node, ipv4: boolean): readonly string[] {
  const out: string[] = [];
  if (node.ipv4 !== undefined && (ipv4 || node.ipv6 === undefined)) out.push(`${node.ipv4}/32`);
  if (node.ipv6 !== undefined) out.push(`${node.ipv6}/128`);
  return out;
}

/**
 * What peers need of a node's host information: its name and system, its SSH host keys, and where its
 * PeerAPI listens. Which other services run on a machine is nobody's business. That it is of another tailnet
 * (ShareeNode) is control's to say, never its own: clients leave such peers out of `tailscale status`.
 */
function peerHostinfo(node: Node): Hostinfo {
  const { OS, Services = [], sshHostKeys } = node.hostinfo;
  const peerApi = Services.filter(({ Proto }) => Proto.startsWith('peerapi'));
  return {
    ...(OS === undefined ? {} : { OS }),
    Hostname: node.hostname,
    ...(peerApi.length === 0 ? {} : { Services: peerApi }),
    ...(sshHostKeys === undefined || sshHostKeys.length === 0 ? {} : { sshHostKeys }),
  };
}

/** Fields of a node that a tailcfg.PeerChange can carry, as bits so that changes merge by OR. */
export const PatchField = {
  endpoints: 1,
  derp: 2,
  disco: 4,
  cap: 8,
  online: 16,
  expiry: 32,
} as const;

/** Says that a patch cannot express what changed: the whole node must be sent. */
export const WHOLE_NODE = 1 << 30;

/**
 * Which fields differ at `now` (Unix ms), or {@link WHOLE_NODE}; 0 where peers would see no difference.
 * An absent or zero field of a patch means "unchanged", so a patch cannot say that something has gone.
 */
export function diffForPeers(before: Node, after: Node, now: number): number {
  const differs = differenceOf(before, after);
  if (wholeDiffers(before, after, differs, now)) return WHOLE_NODE;
  let fields = 0;
  if (differs & Differs.endpoints) {
    if (after.endpoints.length === 0) return WHOLE_NODE;
    fields |= PatchField.endpoints;
  }
  if (differs & Differs.homeDerp) {
    if (after.homeDerp === 0) return WHOLE_NODE;
    fields |= PatchField.derp;
  }
  if (differs & Differs.discoKey) {
    if (after.discoKey === undefined) return WHOLE_NODE;
    // From now on it serves what is approved for it.
    if (before.discoKey === undefined && after.approvedRoutes.length > 0) return WHOLE_NODE;
    fields |= PatchField.disco;
  }
  if (differs & Differs.capVersion) {
    if (after.capVersion === 0) return WHOLE_NODE;
    fields |= PatchField.cap;
  }
  if (differs & Differs.expiry) fields |= PatchField.expiry;
  return fields;
}

const NO_PATCH = Differs.key | Differs.name | Differs.hostname | Differs.owner | Differs.addresses;

function wholeDiffers(a: Node, b: Node, differs: number, now: number): boolean {
  return (
    (differs & NO_PATCH) !== 0 ||
    isExpired(a, now) !== isExpired(b, now) ||
    ((differs & Differs.hostinfo) !== 0 && !sameJson(peerHostinfo(a), peerHostinfo(b)))
  );
}

/** The JSON of a PeerChange with the given {@link PatchField}s of a node. */
export function encodePatch(node: Node, presence: Presence, fields: number): string {
  const change: PeerChange = {
    NodeID: node.id,
    ...(fields & PatchField.derp ? { DERPRegion: node.homeDerp } : {}),
    ...(fields & PatchField.cap ? { Cap: node.capVersion } : {}),
    ...(fields & PatchField.endpoints ? { Endpoints: node.endpoints } : {}),
    ...(fields & PatchField.disco && node.discoKey !== undefined
      ? { DiscoKey: node.discoKey }
      : {}),
    ...(fields & PatchField.online
      ? {
          Online: presence.online,
          ...(presence.online || presence.lastSeen === undefined
            ? {}
            : { LastSeen: formatTime(presence.lastSeen) }),
        }
      : {}),
    ...(fields & PatchField.expiry ? { KeyExpiry: formatTime(node.expiry) } : {}),
  };
  return JSON.stringify(change);
}
