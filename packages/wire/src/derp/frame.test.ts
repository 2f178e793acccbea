import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeFrameHeader, encodeFrame, FrameType, MAX_BODY_BYTES } from './frame.ts';

describe('derp frame', () => {
  test('a ping frame is laid out as docs/protocol/derp.md §2 says', () => {
    const frame = encodeFrame(FrameType.ping, Uint8Array.of(1, 2));
    assert.equal(frame.toHex(), '12' + '00000002' + '0102');
  });

  test('the parts of a body follow one another', () => {
    const frame = encodeFrame(FrameType.sendPacket, Uint8Array.of(1), Uint8Array.of(2, 3));
    assert.equal(frame.toHex(), '04' + '00000003' + '010203');
  });

  test('a body length over the limit is refused before any body is read', () => {
    assert.deepEqual(decodeFrameHeader(Uint8Array.of(0x12, 0, 0x10, 0, 1)), {
      ok: false,
      error: 'body-too-long',
    });
    assert.deepEqual(decodeFrameHeader(Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff)), {
      ok: false,
      error: 'body-too-long',
    });
  });

  test('encoding an over-long body throws', () => {
    assert.throws(() => encodeFrame(FrameType.health, new Uint8Array(MAX_BODY_BYTES + 1)));
  });

  test('a header is read back as it was written', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(FrameType)),
        fc.uint8Array({ maxLength: 700 }),
        (type, body) => {
          assert.deepEqual(decodeFrameHeader(encodeFrame(type, body)), {
            ok: true,
            value: { type, bodyBytes: body.length },
          });
        },
      ),
    );
  });

  test('no input makes the decoder throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (b) => void decodeFrameHeader(b)));
  });
});
