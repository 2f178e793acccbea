import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, equalBytes } from '@malla/base/bytes';
import fc from 'fast-check';
import { MessageGatherer } from './message-gatherer.ts';

const MAX = 1000;

function framed(payload: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, payload.length, true);
  return concat([length, payload]);
}

describe('the messages of a map stream', () => {
  test('are the same however their bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 90 })),
        (payloads, sizes) => {
          const stream = concat(payloads.map(framed));
          const gatherer = new MessageGatherer(MAX);
          const out: Uint8Array[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = sizes[i % Math.max(sizes.length, 1)] ?? 7;
            const pushed = gatherer.push(stream.subarray(at, at + size));
            assert.ok(pushed.ok);
            out.push(...pushed.value);
            at += size;
          }
          assert.deepEqual(out, payloads);
        },
      ),
    );
  });

  test('are not empty and not longer than is read, whatever else has come', () => {
    assert.deepEqual(new MessageGatherer(MAX).push(Uint8Array.of(0, 0, 0, 0)), {
      ok: false,
      error: 'empty',
    });
    const length = framed(new Uint8Array(MAX + 1)).subarray(0, 4);
    assert.deepEqual(new MessageGatherer(MAX).push(length), { ok: false, error: 'too-long' });
    assert.ok(new MessageGatherer(MAX).push(framed(new Uint8Array(MAX))).ok);
  });

  test('that come in many small chunks are copied once', () => {
    // Joined anew with each chunk, these would be 4 TB to copy, and the test would not end.
    const payload = new Uint8Array(32 << 20).fill(7);
    const stream = framed(payload);
    const gatherer = new MessageGatherer(payload.length);
    const whole: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += 128) {
      const pushed = gatherer.push(stream.subarray(at, at + 128));
      assert.ok(pushed.ok);
      whole.push(...pushed.value);
    }
    assert.equal(whole.length, 1);
    assert.ok(equalBytes(whole[0] ?? new Uint8Array(), payload));
  });
});
