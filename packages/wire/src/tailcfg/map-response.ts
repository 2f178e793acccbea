/**
 * tailcfg.MapResponse: one message of a map stream. What is absent is unchanged, but for what is said at
 * the fields. A server need not build a whole value: a message is its members, and {@link mapMember}
 * writes one.
 *
 * Source: docs/protocol/control.md §Map responses. Observed: clients 1.80 to 1.102.
 */
import { ok, type Result } from '@malla/base/result';
import { decodeDerpMap, type DerpMapLayer } from './derp-map.ts';
import { type DnsConfig, dnsConfig } from './dns-config.ts';
import { type FilterParts, filterParts, type FilterRule, filterRules } from './filter.ts';
import { type JsonFault, parseObject } from './json.ts';
import {
  mapNode,
  type MapNode,
  MAX_NODES,
  MAX_PROFILES,
  type PeerChange,
  peerChange,
  type UserProfile,
  userProfile,
} from './node.ts';
import {
  flag,
  integer,
  list,
  number,
  type Reader,
  record,
  recordWithNulls,
  shape,
  text,
  time,
  Trail,
} from './shape.ts';
import { type SshPolicy, sshPolicy } from './ssh-policy.ts';

/** tailcfg.PingRequest: the server asks whether the client is there, or to have a request of its own served. */
export interface PingRequest {
  readonly URL: string;
  readonly URLIsNoise?: boolean;
  readonly Log?: boolean;
  /** Words with commas between; empty: whether it is there. */
  readonly Types?: string;
  readonly IP?: string;
  /** Base64. */
  readonly Payload?: string;
}

/** tailcfg.DisplayMessage: a warning for the client's user. */
export interface DisplayMessage {
  readonly Title?: string;
  readonly Text?: string;
  readonly Severity?: string;
  readonly ImpactsConnectivity?: boolean;
  readonly PrimaryAction?: { readonly URL: string; readonly Label: string };
}

/** tailcfg.Debug. */
export interface MapDebug {
  readonly SleepSeconds?: number;
  readonly DisableLogTail?: boolean;
  readonly Exit?: number;
}

/** tailcfg.ClientVersion: what is known of newer clients. */
export interface ClientVersion {
  readonly RunningLatest?: boolean;
  readonly LatestVersion?: string;
  readonly UrgentSecurityUpdate?: boolean;
  readonly Notify?: boolean;
  readonly NotifyURL?: string;
  readonly NotifyText?: string;
}

/** tailcfg.ControlDialPlan: where the server may be reached besides its name. */
export interface ControlDialPlan {
  readonly Candidates?: readonly {
    readonly IP?: string;
    readonly ACEHost?: string;
    readonly DialStartDelaySec?: number;
    readonly DialTimeoutSec?: number;
    readonly Priority?: number;
  }[];
}

/** tailcfg.TKAInfo: the state of tailnet lock. */
export interface TkaInfo {
  readonly Head?: string;
  readonly Disabled?: boolean;
}

/** tailcfg.MapResponse. */
export interface MapResponse {
  readonly MapSessionHandle?: string;
  readonly Seq?: number;
  /** Nothing else counts but PingRequest, PopBrowserURL, ControlTime, ClientVersion and ControlDialPlan. */
  readonly KeepAlive?: boolean;
  readonly PingRequest?: PingRequest;
  readonly PopBrowserURL?: string;
  /** Oneself; in the first message. */
  readonly Node?: MapNode;
  readonly DERPMap?: DerpMapLayer;
  /** All peers anew. Empty: no change. */
  readonly Peers?: readonly MapNode[];
  readonly PeersChanged?: readonly MapNode[];
  readonly PeersRemoved?: readonly number[];
  readonly PeersChangedPatch?: readonly PeerChange[];
  /** By node: seen just now, or at a time unknown. */
  readonly PeerSeenChange?: { readonly [id: string]: boolean };
  readonly OnlineChange?: { readonly [id: string]: boolean };
  readonly DNSConfig?: DnsConfig;
  readonly Domain?: string;
  readonly CollectServices?: boolean;
  /** The part named `base`; empty lets nobody in. */
  readonly PacketFilter?: readonly FilterRule[];
  readonly PacketFilters?: FilterParts;
  /** Added to those known. */
  readonly UserProfiles?: readonly UserProfile[];
  /** All that is wrong; empty: nothing any more. */
  readonly Health?: readonly string[];
  /** By id; null takes one away, of the name `*` all. */
  readonly DisplayMessages?: { readonly [id: string]: DisplayMessage | null };
  readonly SSHPolicy?: SshPolicy;
  readonly ControlTime?: string;
  readonly TKAInfo?: TkaInfo;
  readonly DomainDataPlaneAuditLogID?: string;
  readonly Debug?: MapDebug;
  readonly ControlDialPlan?: ControlDialPlan;
  readonly ClientVersion?: ClientVersion;
}

/** A message, and what was left out of it as wrong. */
export interface DecodedMapResponse {
  readonly message: MapResponse;
  /** Place and problem, as in `Peers[3].Key: expected a nodekey`; a hundred at most. */
  readonly leftOut: readonly string[];
}

/** Values of one message: a node has about fifty, a rule for all nodes one for each address. */
export const MAX_MAP_VALUES: number = 1 << 23;

const derpMap: Reader<DerpMapLayer> = (value, trail) => {
  const decoded = decodeDerpMap(value);
  if (!decoded.ok) return trail.fault(decoded.error);
  for (const fault of [...decoded.value.leftOut, ...decoded.value.corrected]) trail.fault(fault);
  return decoded.value.layer;
};

/** Flags by node. */
const byNode: Reader<{ readonly [id: string]: boolean }> = (value, trail) => {
  const read = record(flag, MAX_NODES)(value, trail);
  if (read === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(read).filter(
      ([id]) => /^[1-9]\d{0,15}$/.test(id) || trail.fault('expected ids of nodes'),
    ),
  );
};

const mapResponse: Reader<MapResponse> = shape<MapResponse>({
  MapSessionHandle: text(),
  Seq: integer(0),
  KeepAlive: flag,
  PingRequest: shape<PingRequest>(
    {
      URL: text(4096),
      URLIsNoise: flag,
      Log: flag,
      Types: text(),
      IP: text(64),
      Payload: text(1 << 20),
    },
    ['URL'],
  ),
  PopBrowserURL: text(4096),
  Node: mapNode,
  DERPMap: derpMap,
  Peers: list(mapNode, MAX_NODES),
  PeersChanged: list(mapNode, MAX_NODES),
  PeersRemoved: list(integer(1), MAX_NODES),
  PeersChangedPatch: list(peerChange, MAX_NODES),
  PeerSeenChange: byNode,
  OnlineChange: byNode,
  DNSConfig: dnsConfig,
  Domain: text(),
  CollectServices: flag,
  PacketFilter: filterRules,
  PacketFilters: filterParts,
  UserProfiles: list(userProfile, MAX_PROFILES),
  Health: list(text(16_384), 256),
  DisplayMessages: recordWithNulls(
    shape<DisplayMessage>({
      Title: text(),
      Text: text(16_384),
      Severity: text(64),
      ImpactsConnectivity: flag,
      PrimaryAction: shape({ URL: text(4096), Label: text() }, ['URL', 'Label']),
    }),
    256,
  ),
  SSHPolicy: sshPolicy,
  ControlTime: time,
  TKAInfo: shape<TkaInfo>({ Head: text(), Disabled: flag }),
  DomainDataPlaneAuditLogID: text(),
  Debug: shape<MapDebug>({ SleepSeconds: number, DisableLogTail: flag, Exit: integer(0, 255) }),
  ControlDialPlan: shape<ControlDialPlan>({
    Candidates: list(
      shape({
        IP: text(64),
        ACEHost: text(),
        DialStartDelaySec: number,
        DialTimeoutSec: number,
        Priority: number,
      }),
      256,
    ),
  }),
  ClientVersion: shape<ClientVersion>({
    RunningLatest: flag,
    LatestVersion: text(),
    UrgentSecurityUpdate: flag,
    Notify: flag,
    NotifyURL: text(4096),
    NotifyText: text(4096),
  }),
});

/** The JSON of a message. */
export function encodeMapResponse(message: MapResponse): string {
  return JSON.stringify(message);
}

/** One member of a message, `"Name":value`, for servers that put messages together of what many get. */
export function mapMember<K extends keyof MapResponse>(
  name: K,
  value: NonNullable<MapResponse[K]>,
): string {
  return `"${name}":${JSON.stringify(value)}`;
}

/** Reads the JSON of a message. What is wrong in it is left out and named. Never throws. */
export function decodeMapResponse(json: Uint8Array): Result<DecodedMapResponse, JsonFault> {
  const parsed = parseObject(json, MAX_MAP_VALUES);
  if (!parsed.ok) return parsed;
  const trail = new Trail();
  const message = mapResponse(parsed.value, trail) ?? {};
  return ok({ message, leftOut: trail.faults });
}
