/**
 * What a client believes: the network map that the messages of a stream add up to, by the rules of
 * official clients. Nodes are never changed in place: what somebody holds stays as it was.
 *
 * A message is applied whole. One that cannot be, because the first has not come, changes nothing.
 *
 * Source: docs/protocol/control.md §Map responses. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { ZERO_TIME } from '@malla/base/zero-time';
import type { DerpRegion, DerpMap, DerpMapLayer } from '@malla/wire/tailcfg/derp-map';
import type { DnsConfig } from '@malla/wire/tailcfg/dns-config';
import type { FilterParts, FilterRule } from '@malla/wire/tailcfg/filter';
import { formatTime, timeOf } from '@malla/wire/tailcfg/json';
import type { DisplayMessage, MapResponse } from '@malla/wire/tailcfg/map-response';
import type { MapNode, PeerChange, UserProfile } from '@malla/wire/tailcfg/node';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';

/** What of a netmap may change, besides peers. */
export type NetmapPart =
  | 'self'
  | 'derp-map'
  | 'dns'
  | 'filter'
  | 'ssh'
  | 'users'
  | 'domain'
  | 'health';

/** What a message has changed. */
export interface NetmapChange {
  readonly parts: ReadonlySet<NetmapPart>;
  /** Those that came, went or differ. */
  readonly peers: ReadonlySet<number>;
}

/** `no-self`: the first message must say who we are. */
export type NetmapFault = 'no-self';

const NO_CHANGE: NetmapChange = { parts: new Set(), peers: new Set() };

/** The name that stands for every part of a filter, and for every message. */
const ALL = '*';
/** The part that a filter without names is. */
const BASE = 'base';

export class Netmap {
  self: MapNode | undefined;
  readonly peers = new Map<number, MapNode>();
  readonly users = new Map<number, UserProfile>();
  derpMap: DerpMap | undefined;
  /** Undefined: nothing was said. Empty: no DNS. */
  dnsConfig: DnsConfig | undefined;
  sshPolicy: SshPolicy | undefined;
  /** Undefined until something was said: nobody is let in. */
  packetFilters: { readonly [name: string]: readonly FilterRule[] } = {};
  domain = '';
  health: readonly string[] = [];
  displayMessages: { readonly [id: string]: DisplayMessage } = {};
  /** Unix ms of the server's clock when it last said it. */
  controlTime: number | undefined;

  /** All rules of the filter, in the order of their parts' names. */
  get filter(): readonly FilterRule[] {
    const names = Object.keys(this.packetFilters).toSorted();
    return names.flatMap((name) => this.packetFilters[name] ?? []);
  }

  /** The addresses of peers that have a capability: what `cap:` in the sources of a rule means. */
  nodesWith(capability: string): readonly string[] {
    return [...this.peers.values()].flatMap(({ CapMap, Addresses }) =>
      CapMap !== undefined && Object.hasOwn(CapMap, capability) ? Addresses : [],
    );
  }

  /** Takes one message of the stream; `now` (Unix ms) is when a peer was seen that was seen just now. */
  apply(message: MapResponse, now: number): Result<NetmapChange, NetmapFault> {
    this.controlTime = timeOf(message.ControlTime) ?? this.controlTime;
    if (message.KeepAlive === true) return ok(NO_CHANGE);
    if (this.self === undefined && message.Node === undefined) return fail('no-self');
    const parts = new Set<NetmapPart>();
    if (message.Node !== undefined) {
      this.self = message.Node;
      parts.add('self');
    }
    if (message.DERPMap !== undefined) {
      this.derpMap = nextDerpMap(this.derpMap, message.DERPMap);
      parts.add('derp-map');
    }
    if (message.DNSConfig !== undefined) {
      this.dnsConfig = message.DNSConfig;
      parts.add('dns');
    }
    if (message.SSHPolicy !== undefined) {
      this.sshPolicy = message.SSHPolicy;
      parts.add('ssh');
    }
    if (message.PacketFilter !== undefined) this.#applyFilters({ [BASE]: message.PacketFilter });
    if (message.PacketFilters !== undefined) this.#applyFilters(message.PacketFilters);
    if (message.PacketFilter !== undefined || message.PacketFilters !== undefined) {
      parts.add('filter');
    }
    for (const user of message.UserProfiles ?? []) this.users.set(user.ID, user);
    if ((message.UserProfiles ?? []).length > 0) parts.add('users');
    if ((message.Domain ?? '') !== '') {
      this.domain = message.Domain ?? '';
      parts.add('domain');
    }
    this.#applyHealth(message, parts);
    return ok({ parts, peers: this.#applyPeers(message, now) });
  }

  #applyFilters(parts: FilterParts): void {
    const before = parts[ALL] === null ? {} : this.packetFilters;
    const merged = Object.entries<readonly FilterRule[] | null>({ ...before, ...parts });
    const kept = merged.filter(
      (entry): entry is [string, readonly FilterRule[]] => entry[1] !== null,
    );
    this.packetFilters = Object.fromEntries(kept);
  }

  #applyHealth({ Health, DisplayMessages }: MapResponse, parts: Set<NetmapPart>): void {
    if (Health !== undefined) this.health = Health;
    if (DisplayMessages !== undefined) {
      const before = DisplayMessages[ALL] === null ? {} : this.displayMessages;
      const merged = Object.entries<DisplayMessage | null>({ ...before, ...DisplayMessages });
      const kept = merged.filter((entry): entry is [string, DisplayMessage] => entry[1] !== null);
      this.displayMessages = Object.fromEntries(kept);
    }
    if (Health !== undefined || DisplayMessages !== undefined) parts.add('health');
  }

  /** In this order; a list of all peers outweighs everything else about them. */
  #applyPeers(message: MapResponse, now: number): ReadonlySet<number> {
    const changed = new Set<number>();
    const all = message.Peers ?? [];
    if (all.length > 0) {
      for (const id of this.peers.keys()) changed.add(id);
      this.peers.clear();
      for (const peer of all) this.#set(peer, changed);
      return changed;
    }
    for (const id of message.PeersRemoved ?? []) if (this.peers.delete(id)) changed.add(id);
    for (const peer of message.PeersChanged ?? []) this.#set(peer, changed);
    for (const [id, seen] of Object.entries(message.PeerSeenChange ?? {})) {
      this.#replace(Number(id), changed, (peer) => {
        if (seen) return { ...peer, LastSeen: formatTime(now) };
        const { LastSeen: _unknown, ...rest } = peer;
        return rest;
      });
    }
    for (const [id, Online] of Object.entries(message.OnlineChange ?? {})) {
      this.#replace(Number(id), changed, (peer) => ({ ...peer, Online }));
    }
    for (const change of message.PeersChangedPatch ?? []) {
      this.#replace(change.NodeID, changed, (peer) => patched(peer, change));
    }
    return changed;
  }

  #set(peer: MapNode, changed: Set<number>): void {
    this.peers.set(peer.ID, peer);
    changed.add(peer.ID);
  }

  /** Of a peer that is not known nothing can have changed. */
  #replace(id: number, changed: Set<number>, next: (peer: MapNode) => MapNode): void {
    const peer = this.peers.get(id);
    if (peer !== undefined) this.#set(next(peer), changed);
  }
}

/** What a node may send from and is sent for. */
export function allowedIpsOf(node: MapNode): readonly string[] {
  return node.AllowedIPs ?? node.Addresses;
}

/** A node as a change leaves it. Zero is unchanged, as it is in Go. */
function patched(node: MapNode, change: PeerChange): MapNode {
  const { Online, LastSeen, KeyExpiry } = change;
  // One that went offline before what we know of it has no news about its keys.
  const isStale =
    change.DiscoKey !== undefined &&
    Online === false &&
    (timeOf(LastSeen) ?? Infinity) < (timeOf(node.LastSeen) ?? -Infinity);
  if (isStale) return node;
  const out: { -readonly [K in keyof MapNode]: MapNode[K] } = {
    ...node,
    ...(change.DERPRegion ? { HomeDERP: change.DERPRegion } : {}),
    ...(change.Cap ? { Cap: change.Cap } : {}),
    ...(change.CapMap === undefined ? {} : { CapMap: change.CapMap }),
    ...(change.Endpoints === undefined ? {} : { Endpoints: change.Endpoints }),
    ...(change.Key === undefined ? {} : { Key: change.Key }),
    ...(change.KeySignature === undefined ? {} : { KeySignature: change.KeySignature }),
    ...(change.DiscoKey === undefined ? {} : { DiscoKey: change.DiscoKey }),
    ...(Online === undefined ? {} : { Online }),
    ...(LastSeen === undefined ? {} : { LastSeen }),
    ...(KeyExpiry === undefined ? {} : { KeyExpiry }),
  };
  // It is being seen now.
  if (Online === true) delete out.LastSeen;
  if (KeyExpiry === ZERO_TIME) delete out.KeyExpiry;
  return out;
}

/** Without regions or scores a map keeps those it had. */
function nextDerpMap(before: DerpMap | undefined, layer: DerpMapLayer): DerpMap {
  const given = Object.entries(layer.Regions).filter(
    (entry): entry is [string, DerpRegion] => entry[1] !== null,
  );
  const regions = given.length > 0 ? Object.fromEntries(given) : (before?.Regions ?? {});
  const params = layer.HomeParams ?? before?.HomeParams;
  return {
    ...(params === undefined ? {} : { HomeParams: params }),
    Regions: regions,
    ...(layer.omitDefaultRegions === true ? { omitDefaultRegions: true } : {}),
  };
}
