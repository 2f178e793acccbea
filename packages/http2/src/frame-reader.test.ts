import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat } from '@malla/base/bytes';
import fc from 'fast-check';
import { CLIENT_PREFACE, FrameReader } from './frame-reader.ts';
import { frame } from './testing/raw-client.ts';

const anyFrame = fc.record(
  {
    type: fc.nat(255),
    flags: fc.nat(255),
    stream: fc.nat(2 ** 31 - 1),
    payload: fc.uint8Array({ maxLength: 40 }),
  },
  { noNullPrototype: true },
);

describe('the frame reader', () => {
  test('gives the frames that were sent, however they were cut up', () => {
    fc.assert(
      fc.property(fc.array(anyFrame), fc.array(fc.integer({ min: 0, max: 30 })), (frames, cuts) => {
        const bytes = concat([
          CLIENT_PREFACE,
          ...frames.map((f) => frame(f.type, f.flags, f.stream, f.payload)),
        ]);
        const reader = new FrameReader();
        const read: unknown[] = [];
        for (const chunk of cut(bytes, cuts)) {
          reader.push(chunk);
          for (let next = reader.next(); next !== undefined; next = reader.next()) {
            assert.ok(typeof next === 'object');
            read.push({ ...next, payload: next.payload.slice() });
          }
          chunk.fill(0xee); // the caller's memory is the caller's again
        }
        assert.deepEqual(read, frames);
        assert.equal(reader.midway, false);
      }),
    );
  });

  test('knows whether it is midway', () => {
    const reader = new FrameReader();
    const states: boolean[] = [reader.midway];
    for (const chunk of [CLIENT_PREFACE, frame(9, 0, 1, Uint8Array.of(1)).subarray(0, 9)]) {
      reader.push(chunk);
      assert.equal(reader.next(), undefined);
      states.push(reader.midway);
    }
    assert.deepEqual(states, [true, false, true]);
  });

  test('refuses another protocol at its first wrong byte', () => {
    const reader = new FrameReader();
    reader.push(new TextEncoder().encode('PRI * HTTP/1'));
    assert.equal(reader.next(), 'not-http2');
  });

  test('takes a frame of 16,384 bytes and refuses a longer one by its header alone', () => {
    const reader = new FrameReader();
    reader.push(concat([CLIENT_PREFACE, frame(0, 0, 1, new Uint8Array(16_384))]));
    assert.equal(typeof reader.next(), 'object');
    assert.equal(reader.next(), undefined);
    reader.push(Uint8Array.of(0, 0x40, 1, 0, 0, 0, 0, 0, 1));
    assert.equal(reader.next(), 'frame-too-long');
  });
});

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) chunks.push(bytes.slice(at, (at += size)));
  return [...chunks, bytes.slice(at)];
}
