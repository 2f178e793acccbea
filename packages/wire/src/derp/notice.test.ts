import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FRAME_HEADER_BYTES } from './frame.ts';
import {
  decodeClosePeer,
  decodeHealth,
  decodeNotePreferred,
  decodePeerGone,
  decodePeerPresent,
  decodePing,
  decodeRestarting,
  encodeClosePeer,
  encodeHealth,
  encodeKeepAlive,
  encodeNotePreferred,
  encodePeerGone,
  encodePeerPresent,
  encodePing,
  encodePong,
  encodeRestarting,
  encodeWatchConns,
  GoneReason,
  PresentFlag,
} from './notice.ts';

const PEER = new Uint8Array(32).fill(0xcc);
const peer = PEER.toHex();
const eight = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

describe('derp notices', () => {
  test('each is laid out as docs/protocol/derp.md §5 says', () => {
    const address = Uint8Array.fromHex('00000000000000000000ffffc0000201');
    const present = { peer: PEER, address, port: 41_641, flags: PresentFlag.regular };
    const table: [Uint8Array, string][] = [
      [encodeKeepAlive(), '0600000000'],
      [encodeNotePreferred(true), '070000000101'],
      [encodeNotePreferred(false), '070000000100'],
      [encodePeerGone(PEER, GoneReason.notHere), `0800000021${peer}01`],
      [
        encodePeerPresent(present),
        `0900000033${peer}00000000000000000000ffffc0000201` + 'a2a9' + '01',
      ],
      [encodeWatchConns(), '1000000000'],
      [encodeClosePeer(PEER), `1100000020${peer}`],
      [encodePing(eight), '12000000080102030405060708'],
      [encodePong(eight), '13000000080102030405060708'],
      [encodeHealth('é'), '1400000002c3a9'],
      [encodeRestarting({ reconnectInMs: 500, tryForMs: 60_000 }), '1500000008000001f40000ea60'],
    ];
    for (const [frame, hex] of table) assert.equal(frame.toHex(), hex);
  });

  test('each is read back', () => {
    const address = new Uint8Array(16).fill(9);
    const present = { peer: PEER, address, port: 80, flags: 5 };
    assert.deepEqual(decodePeerPresent(bodyOf(encodePeerPresent(present))), ok(present));
    assert.deepEqual(
      decodePeerGone(bodyOf(encodePeerGone(PEER, 1))),
      ok({ peer: PEER, reason: GoneReason.notHere }),
    );
    assert.deepEqual(decodeNotePreferred(bodyOf(encodeNotePreferred(true))), ok(true));
    assert.deepEqual(decodeClosePeer(bodyOf(encodeClosePeer(PEER))), ok(PEER));
    assert.deepEqual(decodeHealth(bodyOf(encodeHealth('slow disk'))), ok('slow disk'));
    const restarting = { reconnectInMs: 1, tryForMs: 0xffffffff };
    assert.deepEqual(decodeRestarting(bodyOf(encodeRestarting(restarting))), ok(restarting));
  });

  test('older and newer peers are understood: short PeerPresent, bare PeerGone, long ping', () => {
    assert.deepEqual(decodePeerGone(PEER), ok({ peer: PEER, reason: 0 }));
    assert.deepEqual(
      decodePeerPresent(PEER),
      ok({ peer: PEER, address: new Uint8Array(16), port: 0, flags: 0 }),
    );
    assert.deepEqual(decodePing(Uint8Array.of(...eight, 9, 9)), ok(eight));
  });

  test('a ping under 8 or over 1000 bytes is refused', () => {
    assert.deepEqual(decodePing(new Uint8Array(7)), { ok: false, error: 'short' });
    assert.deepEqual(decodePing(new Uint8Array(1001)), { ok: false, error: 'too-long' });
  });

  test('no input makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (body) => {
        decodePeerGone(body);
        decodePeerPresent(body);
        decodeNotePreferred(body);
        decodeClosePeer(body);
        decodePing(body);
        decodeHealth(body);
        decodeRestarting(body);
      }),
    );
  });
});

function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(FRAME_HEADER_BYTES);
}
