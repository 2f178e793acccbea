import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FRAME_HEADER_BYTES, MAX_PACKET_BYTES } from './frame.ts';
import {
  decodeAddressed,
  decodeForwardPacket,
  encodeForwardPacket,
  encodeRecvPacket,
  encodeSendPacket,
  looksLikeDisco,
} from './packet.ts';

const A = new Uint8Array(32).fill(0xaa);
const B = new Uint8Array(32).fill(0xbb);
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const packet = fc.uint8Array({ maxLength: 200 });

describe('derp packet frames', () => {
  test('sending, receiving and forwarding are laid out as docs/protocol/derp.md §4 says', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const [a, b] = [A.toHex(), B.toHex()];
    assert.equal(encodeSendPacket(A, bytes).toHex(), `0400000023${a}010203`);
    assert.equal(encodeRecvPacket(A, bytes).toHex(), `0500000023${a}010203`);
    assert.equal(encodeForwardPacket(A, B, bytes).toHex(), `0a00000043${a}${b}010203`);
  });

  test('what was encoded is decoded', () => {
    fc.assert(
      fc.property(key, key, packet, (source, destination, bytes) => {
        const sent = encodeSendPacket(destination, bytes).subarray(FRAME_HEADER_BYTES);
        const forwarded = encodeForwardPacket(source, destination, bytes);
        assert.deepEqual(decodeAddressed(sent), {
          ok: true,
          value: { peer: destination, packet: bytes },
        });
        assert.deepEqual(decodeForwardPacket(forwarded.subarray(FRAME_HEADER_BYTES)), {
          ok: true,
          value: { source, destination, packet: bytes },
        });
      }),
    );
  });

  test('a packet over 64 KiB is refused by both sides', () => {
    const long = new Uint8Array(MAX_PACKET_BYTES + 1);
    assert.throws(() => encodeSendPacket(A, long));
    assert.deepEqual(decodeAddressed(new Uint8Array(32 + MAX_PACKET_BYTES + 1)), {
      ok: false,
      error: 'packet-too-long',
    });
  });

  test('disco is told from WireGuard by its magic and least length', () => {
    const disco = new Uint8Array(62);
    disco.set(Uint8Array.fromHex('5453f09f92ac'));
    assert.equal(looksLikeDisco(disco, 0, disco.length), true);
    assert.equal(looksLikeDisco(disco, 0, disco.length - 1), false);
    assert.equal(looksLikeDisco(Uint8Array.of(4, ...new Uint8Array(80)), 0, 81), false);
  });

  test('no input makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (body) => {
        decodeAddressed(body);
        decodeForwardPacket(body);
        looksLikeDisco(body, 0, body.length);
      }),
    );
  });
});
