import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, FRAME_HEADER_BYTES, FrameType } from '@malla/wire/derp/frame';
import { BufferPool, MAX_BUFFER_BYTES } from './buffer-pool.ts';
import { FrameQueue } from './frame-queue.ts';

const BOUNDS = { bytes: 4096, frames: 8 };

/** A frame of the given whole length, filled with a number. */
function frame(bytes: number, fill: number): Uint8Array {
  return encodeFrame(FrameType.recvPacket, new Uint8Array(bytes - FRAME_HEADER_BYTES).fill(fill));
}

function push(queue: FrameQueue, bytes: Uint8Array): number {
  return queue.push(bytes, 0, bytes.length, 1);
}

describe('frame queue', () => {
  test('everything that waits is taken at once, in order', () => {
    const queue = new FrameQueue(new BufferPool(1 << 20), BOUNDS);
    push(queue, frame(10, 1));
    push(queue, frame(20, 2));
    assert.equal(queue.take(4096)?.bytes.toHex(), frame(10, 1).toHex() + frame(20, 2).toHex());
    assert.equal(queue.take(4096), undefined);
  });

  test('frames that are pushed together are dropped one by one', () => {
    const queue = new FrameQueue(new BufferPool(1 << 20), BOUNDS);
    const three = Uint8Array.from([1, 2, 3].flatMap((fill) => [...frame(1000, fill)]));
    queue.push(three, 0, three.length, 3);
    assert.equal(push(queue, frame(2000, 4)), 1);
    assert.deepEqual([queue.frames, queue.bytes], [3, 4000]);
  });

  test('a full queue drops its oldest frames, by bytes and by number', () => {
    const queue = new FrameQueue(new BufferPool(1 << 20), BOUNDS);
    push(queue, frame(2000, 1));
    push(queue, frame(2000, 2));
    assert.equal(push(queue, frame(2050, 3)), 1);
    for (let i = 0; i < 6; i++) assert.equal(push(queue, frame(5, 4)), 0);
    assert.equal(push(queue, frame(5, 5)), 1);
    assert.deepEqual([queue.frames, queue.bytes], [8, 2050 + 7 * 5]);
  });

  test('an empty queue owns no buffer', () => {
    const pool = new BufferPool(1 << 20);
    const queue = new FrameQueue(pool, BOUNDS);
    push(queue, frame(10, 1));
    assert.ok(pool.lentBytes > 0);
    const taken = queue.take(4096);
    if (taken !== undefined) pool.release(taken.buffer);
    assert.equal(pool.lentBytes, 0);
    push(queue, frame(10, 1));
    queue.clear();
    assert.equal(pool.lentBytes, 0);
  });

  test('a part that is taken ends with a whole frame, and has at least one', () => {
    const queue = new FrameQueue(new BufferPool(1 << 20), BOUNDS);
    for (const size of [1000, 400, 300]) push(queue, frame(size, size));
    assert.equal(queue.take(500)?.bytes.length, 1000);
    assert.equal(queue.take(500)?.bytes.length, 400);
    assert.equal(queue.take(500)?.bytes.length, 300);
    assert.equal(queue.bytes, 0);
  });

  test('whatever is done to it, it gives back what a plain list would', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 5, max: 3000 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 5000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pool = new BufferPool(1 << 20);
        const queue = new FrameQueue(pool, BOUNDS);
        let model: Uint8Array[] = [];
        const size = (): number => model.reduce((sum, one) => sum + one.length, 0);
        for (const [i, action] of steps.entries()) {
          if ('push' in action) {
            const one = frame(action.push, i);
            let dropped = 0;
            while (
              model.length > 0 &&
              (size() + one.length > BOUNDS.bytes || model.length >= BOUNDS.frames)
            ) {
              model.shift();
              dropped++;
            }
            model.push(one);
            assert.equal(push(queue, one), dropped);
          } else {
            let end = 0;
            let bytes = 0;
            for (const one of model) {
              if (end > 0 && bytes + one.length > action.take) break;
              bytes += one.length;
              end++;
            }
            const taken = queue.take(action.take);
            assert.equal(
              taken?.bytes.toHex() ?? '',
              model
                .slice(0, end)
                .map((one) => one.toHex())
                .join(''),
            );
            model = model.slice(end);
            if (taken !== undefined) pool.release(taken.buffer);
          }
          assert.deepEqual([queue.frames, queue.bytes], [model.length, size()]);
        }
        queue.clear();
        assert.equal(pool.lentBytes, 0);
      }),
    );
  });

  test('a queue larger than a buffer is refused', () => {
    assert.throws(
      () => new FrameQueue(new BufferPool(1), { bytes: MAX_BUFFER_BYTES + 1, frames: 1 }),
    );
  });
});
