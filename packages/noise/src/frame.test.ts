import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from './frame-reader.ts';
import {
  decodeError,
  decodeFrameHeader,
  decodeInitiation,
  decodeResponse,
  encodeError,
  encodeInitiation,
  encodeResponse,
  FrameType,
  MAX_BODY_BYTES,
  writeFrameHeader,
} from './frame.ts';

const message = fc.uint8Array({ minLength: 96, maxLength: 96 });

describe('ts2021 frame', () => {
  test('a frame is laid out as docs/protocol/ts2021.md §3 says', () => {
    const header = new Uint8Array(4);
    writeFrameHeader(header, 1, FrameType.record, 0x0ffd);
    assert.equal(header.toHex(), '00' + '04' + '0ffd');
    assert.equal(encodeError('no').toHex(), '03' + '0002' + '6e6f');
    assert.equal(encodeResponse(new Uint8Array(48)).subarray(0, 4).toHex(), '02' + '0030' + '00');
  });

  test('an initiation round-trips with its version', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), message, (protocolVersion, bytes) => {
        const frame = encodeInitiation({ protocolVersion, message: bytes });
        assert.deepEqual(decodeInitiation(frame), {
          ok: true,
          value: { protocolVersion, message: bytes },
        });
      }),
    );
  });

  test('an initiation of another length or type is refused', () => {
    const frame = encodeInitiation({ protocolVersion: 1, message: new Uint8Array(96) });
    assert.deepEqual(decodeInitiation(frame.subarray(1)), { ok: false, error: 'wrong-length' });
    assert.deepEqual(decodeInitiation(Uint8Array.of(...frame, 0)), {
      ok: false,
      error: 'wrong-length',
    });
    assert.deepEqual(decodeInitiation(frame.with(4, 95)), { ok: false, error: 'wrong-length' });
    assert.deepEqual(decodeInitiation(frame.with(2, 2)), { ok: false, error: 'not-an-initiation' });
  });

  test('a response tells a refusal from nonsense', () => {
    const frame = encodeResponse(new Uint8Array(48).fill(7));
    assert.deepEqual(decodeResponse(frame), { ok: true, value: new Uint8Array(48).fill(7) });
    assert.deepEqual(decodeResponse(encodeError('x')), { ok: false, error: 'refused' });
    assert.deepEqual(decodeResponse(frame.with(0, 4)), { ok: false, error: 'not-a-response' });
    assert.deepEqual(decodeResponse(frame.with(2, 47)), { ok: false, error: 'wrong-length' });
    assert.deepEqual(decodeResponse(frame.subarray(0, 50)), { ok: false, error: 'wrong-length' });
  });

  test('a body over the limit is refused before any of it is read', () => {
    assert.deepEqual(decodeFrameHeader(Uint8Array.of(4, 0x0f, 0xfd)), {
      ok: true,
      value: { type: 4, bodyBytes: MAX_BODY_BYTES },
    });
    assert.deepEqual(decodeFrameHeader(Uint8Array.of(4, 0x0f, 0xfe)), {
      ok: false,
      error: 'too-long',
    });
    assert.throws(() => encodeError('x'.repeat(MAX_BODY_BYTES + 1)), RangeError);
  });

  test('no input makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 110 }), (bytes) => {
        decodeFrameHeader(bytes);
        decodeInitiation(bytes);
        decodeResponse(bytes);
        decodeError(bytes);
      }),
    );
  });
});

describe('frame reader', () => {
  test('finds the same frames in whatever chunks they come', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(frames, cuts, (bodies, sizes) => {
        const expected = bodies.map((body) => {
          const frame = new Uint8Array(3 + body.length);
          writeFrameHeader(frame, 0, FrameType.record, body.length);
          frame.set(body, 3);
          return frame;
        });
        const stream = Uint8Array.from(expected.flatMap((frame) => [...frame]));
        const reader = new FrameReader();
        const found: string[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (sizes[i % sizes.length] ?? 1);
          reader.push(stream.subarray(at, end));
          at = end;
          for (let frame = reader.next(); ; frame = reader.next()) {
            assert.ok(frame.ok);
            if (frame.value === undefined) break;
            found.push(frame.value.toHex());
          }
        }
        assert.deepEqual(
          found,
          expected.map((frame) => frame.toHex()),
        );
      }),
    );
  });

  test('what follows a frame can be taken by another reader', () => {
    const reader = new FrameReader();
    reader.push(Uint8Array.of(2, 0));
    assert.deepEqual(reader.next(), { ok: true, value: undefined });
    reader.push(Uint8Array.of(1, 9, 4, 0));
    assert.deepEqual(reader.next(), { ok: true, value: Uint8Array.of(2, 0, 1, 9) });
    assert.deepEqual(reader.takeRest(), Uint8Array.of(4, 0));
    assert.deepEqual(reader.next(), { ok: true, value: undefined });
  });

  test('a header that promises too much is a fault, whole or in pieces', () => {
    const whole = new FrameReader();
    whole.push(Uint8Array.of(4, 0xff, 0xff));
    assert.deepEqual(whole.next(), { ok: false, error: 'too-long' });
    const pieces = new FrameReader();
    pieces.push(Uint8Array.of(4));
    assert.deepEqual(pieces.next(), { ok: true, value: undefined });
    pieces.push(Uint8Array.of(0xff, 0xff));
    assert.deepEqual(pieces.next(), { ok: false, error: 'too-long' });
  });
});
