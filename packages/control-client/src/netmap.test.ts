import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatKey } from '@malla/keys/key';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { MapResponse } from '@malla/wire/tailcfg/map-response';
import type { MapNode } from '@malla/wire/tailcfg/node';
import { allowedIpsOf, Netmap, type NetmapChange } from './netmap.ts';

const NOW = Date.UTC(2026, 6, 1);

function node(ID: number, fields: Partial<MapNode> = {}): MapNode {
  const Key = formatKey('nodekey', new Uint8Array(32).fill(ID));
  return { ID, Key, Addresses: [`100.64.0.${ID}/32`], ...fields };
}

function rules(n: number): readonly FilterRule[] {
  return [{ SrcIPs: [`100.64.0.${n}`] }];
}

/** A netmap that has had these messages, after one that says who it is. */
function netmap(...messages: readonly MapResponse[]): Netmap {
  const map = new Netmap();
  for (const message of [{ Node: node(1) }, ...messages]) apply(map, message);
  return map;
}

function apply(map: Netmap, message: MapResponse): NetmapChange {
  const applied = map.apply(message, NOW);
  assert.ok(applied.ok);
  return applied.value;
}

function ids(map: Netmap): readonly number[] {
  return [...map.peers.keys()].toSorted((a, b) => a - b);
}

describe('a netmap', () => {
  test('begins with who one is: without that a message changes nothing', () => {
    const map = new Netmap();
    assert.deepEqual(map.apply({ Peers: [node(2)], PacketFilters: { base: [] } }, NOW), {
      ok: false,
      error: 'no-self',
    });
    assert.deepEqual([map.peers.size, map.packetFilters], [0, {}]);
    assert.ok(map.apply({ KeepAlive: true }, NOW).ok);
  });

  test('has all peers anew where a message lists them, and nothing else of it about peers counts', () => {
    const map = netmap({ Peers: [node(2), node(3)] });
    const change = apply(map, {
      Peers: [node(3), node(4)],
      PeersRemoved: [3],
      PeersChanged: [node(5)],
    });
    assert.deepEqual(ids(map), [3, 4]);
    assert.deepEqual(change.peers, new Set([2, 3, 4]));
  });

  test('does not lose its peers by a list that is empty', () => {
    const map = netmap({ Peers: [node(2)] }, { Peers: [], PeersRemoved: [9] });
    assert.deepEqual(ids(map), [2]);
  });

  test('takes what a message says of peers in the order that the protocol has', () => {
    const map = netmap({ Peers: [node(2, { LastSeen: '2020-01-01T00:00:00Z' }), node(3)] });
    apply(map, {
      PeersChangedPatch: [{ NodeID: 2, DERPRegion: 7 }],
      OnlineChange: { 2: true, 3: true },
      PeerSeenChange: { 2: false, 3: true, 9: true },
      PeersChanged: [node(2, { HomeDERP: 5, LastSeen: '2021-01-01T00:00:00Z' })],
      PeersRemoved: [2],
    });
    assert.deepEqual(map.peers.get(2), node(2, { HomeDERP: 7, Online: true }));
    const LastSeen = new Date(NOW).toISOString();
    assert.deepEqual(map.peers.get(3), node(3, { Online: true, LastSeen }));
  });

  test('says which peers a message has changed', () => {
    const map = netmap({ Peers: [node(2), node(3), node(4), node(5)] });
    const change = apply(map, {
      PeersRemoved: [2, 99],
      PeersChanged: [node(6)],
      OnlineChange: { 3: true, 98: true },
      PeersChangedPatch: [{ NodeID: 4, Cap: 1 }, { NodeID: 97 }],
    });
    assert.deepEqual(change, { parts: new Set(), peers: new Set([2, 3, 4, 6]) });
  });

  test('takes from a patch what is in it, and leaves what is zero', () => {
    const before = node(2, {
      HomeDERP: 3,
      Cap: 113,
      KeyExpiry: '2027-01-01T00:00:00Z',
      LastSeen: '2026-01-01T00:00:00Z',
    });
    const map = netmap({ Peers: [before] });
    apply(map, { PeersChangedPatch: [{ NodeID: 2, DERPRegion: 0, Cap: 0, Online: true }] });
    const { LastSeen: _seen, ...online } = { ...before, Online: true };
    assert.deepEqual(map.peers.get(2), online);
    apply(map, { PeersChangedPatch: [{ NodeID: 2, KeyExpiry: '0001-01-01T00:00:00Z' }] });
    assert.equal(map.peers.get(2)?.KeyExpiry, undefined);
  });

  test('leaves a node that somebody holds as it was', () => {
    const map = netmap({ Peers: [node(2)] });
    const held = map.peers.get(2);
    apply(map, { PeersChangedPatch: [{ NodeID: 2, Endpoints: ['192.0.2.1:1'] }] });
    assert.deepEqual(held, node(2));
  });

  test('believes no disco key of a peer that went offline before it was last seen', () => {
    const DiscoKey = formatKey('discokey', new Uint8Array(32).fill(7));
    const map = netmap({ Peers: [node(2, { LastSeen: '2026-01-02T00:00:00Z' })] });
    const stale = { NodeID: 2, DiscoKey, Online: false, LastSeen: '2026-01-01T00:00:00Z' };
    apply(map, { PeersChangedPatch: [stale] });
    assert.equal(map.peers.get(2)?.DiscoKey, undefined);
    apply(map, { PeersChangedPatch: [{ ...stale, LastSeen: '2026-01-03T00:00:00Z' }] });
    assert.equal(map.peers.get(2)?.DiscoKey, DiscoKey);
  });

  test('has a filter of named parts in the order of their names, each of which can go', () => {
    const map = netmap({ PacketFilters: { b: rules(2), a: rules(1) } });
    assert.deepEqual(map.filter, [...rules(1), ...rules(2)]);
    apply(map, { PacketFilters: { a: null, c: rules(3) } });
    assert.deepEqual(map.filter, [...rules(2), ...rules(3)]);
    apply(map, { PacketFilters: { '*': null, d: rules(4) } });
    assert.deepEqual(map.packetFilters, { d: rules(4) });
  });

  test('knows the addresses of peers that have a capability, with values or without', () => {
    const peers = [
      node(2, { CapMap: { a: null } }),
      node(3),
      node(4, { CapMap: { a: [1], b: [] } }),
    ];
    const map = netmap({ Peers: peers });
    assert.deepEqual(map.nodesWith('a'), ['100.64.0.2/32', '100.64.0.4/32']);
    assert.deepEqual(map.nodesWith('toString'), []);
  });

  test('has a filter without names as the part called base', () => {
    const map = netmap({ PacketFilter: rules(1) });
    assert.deepEqual(map.packetFilters, { base: rules(1) });
    apply(map, { PacketFilter: [] });
    assert.deepEqual(map.filter, []);
  });

  test('keeps the regions and scores of a relay map that has none of its own', () => {
    const region = { RegionID: 1, RegionCode: 'a', RegionName: 'A', Nodes: [] };
    const scores = { RegionScore: { 1: 0.5 } };
    const map = netmap({ DERPMap: { Regions: { 1: region, 2: null }, HomeParams: scores } });
    assert.deepEqual(map.derpMap, { Regions: { 1: region }, HomeParams: scores });
    apply(map, { DERPMap: { Regions: {} } });
    assert.deepEqual(map.derpMap, { Regions: { 1: region }, HomeParams: scores });
    apply(map, { DERPMap: { Regions: { 3: { ...region, RegionID: 3 } } } });
    assert.deepEqual(Object.keys(map.derpMap?.Regions ?? {}), ['3']);
  });

  test('adds users, replaces health, and takes warnings away by name', () => {
    const map = netmap(
      { UserProfiles: [{ ID: 1, LoginName: 'ann' }], Health: ['x'], Domain: 'a.test' },
      { UserProfiles: [{ ID: 2 }], DisplayMessages: { a: { Title: 'A' }, b: {} } },
      { Health: [], Domain: '', DisplayMessages: { a: null } },
    );
    assert.deepEqual([...map.users.keys()], [1, 2]);
    assert.deepEqual([map.health, map.domain], [[], 'a.test']);
    assert.deepEqual(map.displayMessages, { b: {} });
    apply(map, { DisplayMessages: { '*': null } });
    assert.deepEqual(map.displayMessages, {});
  });

  test('of a keep-alive takes the server’s clock and nothing else', () => {
    const map = netmap();
    const change = apply(map, {
      KeepAlive: true,
      ControlTime: '2026-07-01T00:00:00Z',
      Peers: [node(2)],
    });
    assert.equal(map.controlTime, NOW);
    assert.deepEqual(change, { parts: new Set(), peers: new Set() });
    assert.equal(map.peers.size, 0);
  });
});

describe('what a node may send from', () => {
  test('are its addresses where nothing else is said', () => {
    assert.deepEqual(allowedIpsOf(node(2)), ['100.64.0.2/32']);
    assert.deepEqual(allowedIpsOf(node(2, { AllowedIPs: ['10.0.0.0/8'] })), ['10.0.0.0/8']);
  });
});
