/** Any values of tailcfg's types, as a program of ours would make them, for properties of what reads and writes them. */
import { formatAddress } from '@malla/ip/address';
import { formatPrefix, prefixOf } from '@malla/ip/prefix';
import { formatKey, type KeyOf, type KeyPrefix } from '@malla/keys/key';
import fc from 'fast-check';
import type { DnsConfig, Resolver } from '../tailcfg/dns-config.ts';
import type { FilterRule } from '../tailcfg/filter.ts';
import type { Hostinfo } from '../tailcfg/hostinfo.ts';
import type { MapRequest } from '../tailcfg/map-request.ts';
import type { MapResponse } from '../tailcfg/map-response.ts';
import type { CapMap, MapNode, PeerChange, UserProfile } from '../tailcfg/node.ts';
import type { RegisterAnswer, RegisterRequest } from '../tailcfg/register.ts';
import type { SshPolicy } from '../tailcfg/ssh-policy.ts';
import { formatTime } from '../tailcfg/json.ts';

type Arb<T> = fc.Arbitrary<T>;

const word = fc.stringMatching(/^[a-z][a-z0-9.:/ -]{0,20}$/);
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const flag = fc.boolean();
const count = fc.integer({ min: 1, max: 65_535 });
const ms = fc.integer({ min: 0, max: Date.UTC(2200, 0) });
const time = ms.map(formatTime);
const expiry = fc.oneof(time, fc.constant(formatTime(undefined)));
/** As JSON has them: no negative zero, nothing undefined. */
const json = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)));

const addressValue = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4, value }) as const),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6, value }) as const),
);
const address = addressValue.map(formatAddress);
const prefix = fc
  .tuple(addressValue, fc.nat(128))
  .map(([at, bits]) => formatPrefix(prefixOf(at, at.family === 4 ? bits % 33 : bits)));
const endpoint = fc
  .tuple(addressValue, fc.nat(65_535))
  .map(([at, port]) =>
    at.family === 4 ? `${formatAddress(at)}:${port}` : `[${formatAddress(at)}]:${port}`,
  );

function keys<P extends KeyPrefix>(kind: P): Arb<KeyOf<P>> {
  return fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
    formatKey(
      kind,
      Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte | 1 : byte)),
    ),
  );
}

/** Plain objects, as JSON.parse makes them. */
function records<T, K extends keyof T = keyof T>(
  fields: { [F in keyof T]: Arb<T[F]> },
  options: { readonly requiredKeys?: K[] } = {},
): Arb<Pick<T, K> & Partial<T>> {
  return fc.record<T, K>(fields, { ...options, noNullPrototype: true }) as never;
}

function dictionaries<T>(name: Arb<string>, item: Arb<T>): Arb<Record<string, T>> {
  return fc.dictionary(name, item, { noNullPrototype: true });
}

function list<T>(item: Arb<T>): Arb<T[]> {
  return fc.array(item, { maxLength: 3 });
}

/** Objects that have every field or lack it, but the required ones. */
function shapes<T extends object>(
  fields: { readonly [K in keyof T]-?: Arb<T[K] & {}> },
  required: readonly (keyof T & string)[] = [],
): Arb<T> {
  return records(fields as never, {
    requiredKeys: [...required] as never[],
  }) as unknown as Arb<T>;
}

const capMap: Arb<CapMap> = dictionaries(
  fc.oneof(word, fc.constant('__proto__')),
  fc.oneof(list(json), fc.constant(null)),
);
const resolver = shapes<Resolver>(
  { Addr: word, BootstrapResolution: list(address), UseWithExitNode: flag },
  ['Addr'],
);

export const hostinfos: Arb<Hostinfo> = records(
  {
    OS: word,
    Hostname: word,
    RoutableIPs: fc.uniqueArray(prefix, { maxLength: 3 }),
    RequestTags: list(word),
    Services: list(records({ Proto: fc.constantFrom('tcp', 'peerapi4'), Port: count })),
    NetInfo: records({ PreferredDERP: count, WorkingUDP: flag }, { requiredKeys: [] }),
    ShareeNode: flag,
  },
  { requiredKeys: [] },
);

export const nodes: Arb<MapNode> = shapes<MapNode>(
  {
    ID: id,
    StableID: word,
    Name: word,
    User: id,
    Sharer: id,
    Key: keys('nodekey'),
    KeyExpiry: expiry,
    KeySignature: word,
    Machine: keys('mkey'),
    DiscoKey: keys('discokey'),
    Addresses: list(prefix),
    AllowedIPs: list(prefix),
    PrimaryRoutes: list(prefix),
    Endpoints: list(endpoint),
    HomeDERP: count,
    Created: time,
    Cap: count,
    Tags: list(word),
    CapMap: capMap,
    Expired: flag,
    Online: flag,
    LastSeen: time,
    MachineAuthorized: flag,
    Hostinfo: hostinfos,
    UnsignedPeerAPIOnly: flag,
    SelfNodeV4MasqAddrForThisPeer: address,
    SelfNodeV6MasqAddrForThisPeer: address,
    IsWireGuardOnly: flag,
    IsJailed: flag,
    ExitNodeDNSResolvers: list(resolver),
  },
  ['ID', 'Key', 'Addresses'],
);

export const peerChanges: Arb<PeerChange> = shapes<PeerChange>(
  {
    NodeID: id,
    DERPRegion: count,
    Cap: count,
    CapMap: capMap,
    Endpoints: list(endpoint),
    Key: keys('nodekey'),
    KeySignature: word,
    DiscoKey: keys('discokey'),
    Online: flag,
    LastSeen: time,
    KeyExpiry: expiry,
  },
  ['NodeID'],
);

export const userProfiles: Arb<UserProfile> = shapes<UserProfile>(
  { ID: id, LoginName: word, DisplayName: word, ProfilePicURL: word },
  ['ID'],
);

const range = fc.oneof(
  fc.constant('*'),
  address,
  prefix,
  fc
    .tuple(addressValue, fc.bigInt({ min: 0n, max: 1000n }))
    .filter(([at, more]) => at.value + more < (at.family === 4 ? 2n ** 32n : 2n ** 128n))
    .map(
      ([at, more]) =>
        `${formatAddress(at)}-${formatAddress({ family: at.family, value: at.value + more })}`,
    ),
);
const ports = fc
  .tuple(fc.nat(65_535), fc.nat(65_535))
  .map(([a, b]) => ({ First: Math.min(a, b), Last: Math.max(a, b) }));

export const filterRules: Arb<FilterRule> = shapes<FilterRule>(
  {
    SrcIPs: list(fc.oneof(range, fc.constant('cap:example.com/x'))),
    DstPorts: list(records({ IP: range, Ports: ports })),
    IPProto: list(fc.nat(255)),
    CapGrant: list(records({ Dsts: list(prefix), CapMap: capMap })),
  },
  ['SrcIPs'],
);

export const sshPolicies: Arb<SshPolicy> = records({
  rules: list(
    shapes<SshPolicy['rules'][number]>(
      {
        ruleExpires: time,
        principals: list(
          records(
            { node: word, nodeIP: address, userLogin: word, any: flag },
            { requiredKeys: [] },
          ),
        ),
        sshUsers: dictionaries(word, word),
        action: records(
          {
            message: word,
            reject: flag,
            accept: flag,
            sessionDuration: fc.nat(),
            holdAndDelegate: word,
            recorders: list(endpoint),
            onRecordingFailure: records({ NotifyURL: word }, { requiredKeys: [] }),
          },
          { requiredKeys: [] },
        ),
        acceptEnv: list(word),
      },
      ['principals', 'sshUsers', 'action'],
    ),
  ),
});

export const dnsConfigs: Arb<DnsConfig> = shapes<DnsConfig>({
  Resolvers: list(resolver),
  Routes: dictionaries(word, list(resolver)),
  FallbackResolvers: list(resolver),
  Domains: list(word),
  Proxied: flag,
  CertDomains: list(word),
  ExtraRecords: list(
    records(
      { Name: word, Type: word.map((text) => text.slice(0, 8)), Value: word },
      {
        requiredKeys: ['Name', 'Value'],
      },
    ),
  ),
  ExitNodeFilteredSet: list(word),
});

const flagsByNode = dictionaries(id.map(String), flag);

export const mapResponses: Arb<MapResponse> = shapes<MapResponse>({
  MapSessionHandle: word,
  Seq: id,
  KeepAlive: flag,
  PingRequest: records(
    { URL: word, URLIsNoise: flag, Log: flag, Types: word, IP: address, Payload: word },
    { requiredKeys: ['URL'] },
  ),
  PopBrowserURL: word,
  Node: nodes,
  DERPMap: fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { maxLength: 3 }).map((regions) => ({
    Regions: Object.fromEntries(
      regions.map((region) => [
        region,
        region % 7 === 0
          ? null
          : {
              RegionID: region,
              RegionCode: `r${region}`,
              RegionName: 'Region',
              Nodes: [{ Name: `${region}a`, RegionID: region, HostName: 'derp.test' }],
            },
      ]),
    ),
  })),
  Peers: list(nodes),
  PeersChanged: list(nodes),
  PeersRemoved: list(id),
  PeersChangedPatch: list(peerChanges),
  PeerSeenChange: flagsByNode,
  OnlineChange: flagsByNode,
  DNSConfig: dnsConfigs,
  Domain: word,
  CollectServices: flag,
  PacketFilter: list(filterRules),
  PacketFilters: dictionaries(
    fc.oneof(word, fc.constant('*')),
    fc.oneof(list(filterRules), fc.constant(null)),
  ),
  UserProfiles: list(userProfiles),
  Health: list(word),
  DisplayMessages: dictionaries(
    word,
    fc.oneof(
      records(
        {
          Title: word,
          Text: word,
          Severity: word,
          ImpactsConnectivity: flag,
          PrimaryAction: records({ URL: word, Label: word }),
        },
        { requiredKeys: [] },
      ),
      fc.constant(null),
    ),
  ),
  SSHPolicy: sshPolicies,
  ControlTime: time,
  TKAInfo: records({ Head: word, Disabled: flag }, { requiredKeys: [] }),
  DomainDataPlaneAuditLogID: word,
  Debug: records(
    { SleepSeconds: count, DisableLogTail: flag, Exit: fc.nat(255) },
    { requiredKeys: [] },
  ),
  ControlDialPlan: records({ Candidates: list(records({ IP: address, Priority: count })) }),
  ClientVersion: records({ RunningLatest: flag, LatestVersion: word }, { requiredKeys: [] }),
});

export const mapRequests: Arb<MapRequest> = records({
  version: fc.nat(65_535),
  nodeKey: keys('nodekey'),
  discoKey: fc.option(keys('discokey'), { nil: undefined }),
  compress: fc.constantFrom('zstd', ''),
  keepAlive: flag,
  stream: flag,
  omitPeers: flag,
  readOnly: flag,
  hostinfo: fc.option(hostinfos, { nil: undefined }),
  endpoints: fc.uniqueArray(endpoint, { maxLength: 4 }),
});

export const registerRequests: Arb<RegisterRequest> = records({
  version: fc.nat(65_535),
  nodeKey: keys('nodekey'),
  oldNodeKey: fc.option(keys('nodekey'), { nil: undefined }),
  authKey: word.map((text) => text.trim()),
  expiry: fc.option(ms, { nil: undefined }),
  followup: fc.oneof(word, fc.constant('')),
  ephemeral: flag,
  hostinfo: hostinfos,
});

export const registerAnswers: Arb<RegisterAnswer> = fc.oneof(
  records({
    kind: fc.constant('registered'),
    user: records({
      id,
      loginName: word,
      displayName: word,
      pictureUrl: fc.oneof(word, fc.constant('')),
    }),
    nodeKeyExpired: flag,
  }),
  records({ kind: fc.constant('visit'), authUrl: word }),
  records({ kind: fc.constant('refused'), error: word }),
);
