import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { mapResponses, nodes } from '../testing/tailcfg-values.ts';
import { MAX_DEPTH } from './json.ts';
import {
  decodeMapResponse,
  type DecodedMapResponse,
  encodeMapResponse,
  mapMember,
  type MapResponse,
} from './map-response.ts';
import { MAX_FAULTS } from './shape.ts';

const KEY = `nodekey:${'1'.repeat(64)}`;
const PEER = { ID: 2, Key: KEY, Addresses: ['100.64.0.2/32'] };

function decode(value: unknown): DecodedMapResponse {
  const decoded = decodeMapResponse(utf8(JSON.stringify(value)));
  assert.ok(decoded.ok);
  return decoded.value;
}

describe('a map response', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(mapResponses, (message) => {
        const decoded = decodeMapResponse(utf8(encodeMapResponse(message)));
        assert.deepEqual(decoded, { ok: true, value: { message, leftOut: [] } });
      }),
      { numRuns: 200 },
    );
  });

  test('is the same written member by member', () => {
    fc.assert(
      fc.property(nodes, fc.array(fc.nat()), (Node, PeersRemoved) => {
        const members = [mapMember('Node', Node), mapMember('PeersRemoved', PeersRemoved)];
        assert.equal(`{${members.join(',')}}`, encodeMapResponse({ Node, PeersRemoved }));
      }),
      { numRuns: 50 },
    );
  });

  test('of any bytes is read without an exception', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeMapResponse(bytes)));
  });

  test('with anything in the place of any value is read, and what was read is read again as it is', () => {
    fc.assert(
      fc.property(
        mapResponses,
        fc.array(fc.tuple(fc.nat(), fc.jsonValue()), { maxLength: 8 }),
        (message, changes) => {
          let json: unknown = JSON.parse(encodeMapResponse(message));
          for (const [at, value] of changes) json = replaced(json, at, value);
          const decoded = decodeMapResponse(utf8(JSON.stringify(json)));
          if (!decoded.ok) return;
          const again = decodeMapResponse(utf8(encodeMapResponse(decoded.value.message)));
          assert.deepEqual(again, { ok: true, value: { ...decoded.value, leftOut: [] } });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('has what is right, and names what is wrong and where', () => {
    const { message, leftOut } = decode({
      Future: { anything: 1 },
      Domain: 7,
      PeersChanged: [
        PEER,
        { ID: 3, Key: KEY },
        'x',
        { ...PEER, Online: 'yes', Endpoints: ['192.0.2.1:1', '192.0.2.1:x'], Sharer: null },
      ],
    });
    assert.deepEqual(message, { PeersChanged: [PEER, { ...PEER, Endpoints: ['192.0.2.1:1'] }] });
    assert.deepEqual(leftOut, [
      'Domain: expected text of at most 1024 characters',
      'PeersChanged[1]: lacks Addresses',
      'PeersChanged[2]: expected an object',
      'PeersChanged[3].Online: expected true or false',
      'PeersChanged[3].Endpoints[1]: expected an endpoint',
    ]);
  });

  test('names a hundred faults at most', () => {
    const { leftOut } = decode({ PeersRemoved: Array.from({ length: 1000 }, () => 'x') });
    assert.equal(leftOut.length, MAX_FAULTS);
  });

  test('takes the home of a peer from the field of old where it has no other', () => {
    assert.equal(homeOf({ DERP: '127.3.3.40:12' }), 12);
    assert.equal(homeOf({ DERP: '127.3.3.40:12', HomeDERP: 3 }), 3);
    assert.equal(homeOf({ DERP: '127.0.0.1:12' }), undefined);
  });

  test('lets nobody in by a rule that is wrong anywhere, for a part of it could mean more', () => {
    const right = { SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: { First: 22, Last: 22 } }] };
    const wrong: object[] = [
      { ...right, IPProto: ['tcp'] },
      { ...right, SrcBits: [8] },
      { ...right, DstPorts: [{ ...right.DstPorts[0], Bits: 8 }] },
      { ...right, SrcIPs: ['10.0.0.9/8'] },
      { ...right, SrcIPs: ['10.0.0.9-10.0.0.1'] },
      { ...right, DstPorts: [{ IP: '*', Ports: { First: 9, Last: 1 } }] },
      { SrcIPs: ['*'], CapGrant: [{ Dsts: ['10.0.0.1-10.0.0.3'], CapMap: {} }] },
    ];
    const { message, leftOut } = decode({ PacketFilters: { a: [right, ...wrong], b: null } });
    assert.deepEqual(message.PacketFilters, { a: [right], b: null });
    assert.equal(
      new Set(leftOut.map((fault) => /^PacketFilters\.a\[\d+\]/.exec(fault)?.[0])).size,
      wrong.length,
    );
  });

  test('lets nobody log in by a policy for SSH that is wrong anywhere', () => {
    const rule = { principals: [{ any: true }], sshUsers: { '*': '=' }, action: { accept: true } };
    const { message, leftOut } = decode({
      SSHPolicy: { rules: [{ ...rule, action: { reject: 1 } }, rule] },
    });
    assert.deepEqual(message.SSHPolicy, { rules: [] });
    assert.deepEqual(leftOut, ['SSHPolicy.rules[0].action.reject: expected true or false']);
  });

  test('takes a capability without values from the list of old', () => {
    const rule = {
      SrcIPs: ['*'],
      CapGrant: [{ Dsts: ['10.0.0.1/32'], Caps: ['a'], CapMap: { b: [1] } }],
    };
    const { PacketFilter } = decode({ PacketFilter: [rule] }).message;
    assert.deepEqual(PacketFilter?.[0]?.CapGrant?.[0]?.CapMap, { a: null, b: [1] });
  });

  test('is refused when it is nested too deeply', () => {
    const deep = `{"Node":${'['.repeat(MAX_DEPTH)}${']'.repeat(MAX_DEPTH)}}`;
    assert.deepEqual(decodeMapResponse(utf8(deep)), { ok: false, error: 'not-json-object' });
  });

  test('of ten thousand peers is within what is read', () => {
    const message: MapResponse = {
      Peers: Array.from({ length: 10_000 }, (_, i) => ({
        ID: i + 1,
        Key: PEER.Key,
        Addresses: PEER.Addresses,
      })) as never,
    };
    assert.equal(decode(message).message.Peers?.length, 10_000);
  });
});

function homeOf(fields: object): unknown {
  return decode({ Peers: [{ ...PEER, ...fields }] }).message.Peers?.[0]?.HomeDERP;
}

/** JSON with the nth value of its tree another. */
function replaced(json: unknown, nth: number, value: unknown): unknown {
  let left = nth % count(json);
  const visit = (at: unknown): unknown => {
    if (left-- === 0) return value;
    if (Array.isArray(at)) return at.map(visit);
    if (typeof at !== 'object' || at === null) return at;
    return Object.fromEntries(Object.entries(at).map(([name, inner]) => [name, visit(inner)]));
  };
  return visit(json);
}

function count(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 1;
  return Object.values(json).reduce((sum: number, inner) => sum + count(inner), 1);
}
