import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { concat } from '@malla/base/bytes';
import { encodeFrame, FrameType } from './frame.ts';
import { FrameSplitter } from './splitter.ts';

/** Pings of up to 1000 bytes and packets of up to 600 are wanted, all else is skipped. */
function limit(type: number): number | undefined {
  if (type === FrameType.ping) return 1000;
  return type === FrameType.sendPacket ? 600 : undefined;
}

function collecting(): { splitter: FrameSplitter; frames: string[] } {
  const frames: string[] = [];
  const splitter = new FrameSplitter(limit, (bytes, start, end) => {
    frames.push(bytes.subarray(start, end).toHex());
    return true;
  });
  return { splitter, frames };
}

const anyFrame = fc
  .tuple(
    fc.constantFrom(FrameType.ping, FrameType.sendPacket, FrameType.keepAlive, FrameType.health),
    fc.uint8Array({ maxLength: 600 }),
  )
  .map(([type, body]) => encodeFrame(type, body));

describe('derp frame splitter', () => {
  test('wherever the stream is cut, the wanted frames come out whole and in order', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        (sent, sizes) => {
          const stream = concat(sent);
          const { splitter, frames } = collecting();
          for (let at = 0, n = 0; at < stream.length; n++) {
            const size = sizes[n % sizes.length] ?? 1;
            assert.equal(splitter.push(stream.slice(at, at + size)), undefined);
            at += size;
          }
          const wanted = sent.filter((frame) => limit(frame[0] ?? 0) !== undefined);
          assert.deepEqual(
            frames,
            wanted.map((frame) => frame.toHex()),
          );
          assert.equal(splitter.bufferedBytes, 0);
        },
      ),
    );
  });

  test('a frame that lies whole in a chunk is handed out in place', () => {
    const chunk = encodeFrame(FrameType.ping, new Uint8Array(8));
    let seen: Uint8Array | undefined;
    const splitter = new FrameSplitter(limit, (bytes) => {
      seen = bytes;
      return true;
    });
    splitter.push(chunk);
    assert.equal(seen, chunk);
  });

  test('an unwanted frame of a megabyte is skipped without a buffer', () => {
    const { splitter, frames } = collecting();
    splitter.push(Uint8Array.of(0x7f, 0, 0x10, 0, 0));
    for (let i = 0; i < 16; i++) {
      splitter.push(new Uint8Array(64 * 1024));
      assert.equal(splitter.bufferedBytes, 0);
    }
    splitter.push(encodeFrame(FrameType.ping, Uint8Array.of(9)));
    assert.deepEqual(frames, ['120000000109']);
  });

  test('a wanted frame over its limit is a fault, whole or cut', () => {
    const frame = encodeFrame(FrameType.sendPacket, new Uint8Array(601));
    assert.equal(collecting().splitter.push(frame), 'body-too-long');
    const { splitter } = collecting();
    assert.equal(splitter.push(frame.subarray(0, 3)), undefined);
    assert.equal(splitter.push(frame.subarray(3)), 'body-too-long');
  });

  test('any frame over a megabyte is a fault', () => {
    const header = Uint8Array.of(0x7f, 0, 0x10, 0, 1);
    assert.equal(collecting().splitter.push(header), 'body-too-long');
  });

  test('a listener that returns false stops the stream, which goes on where it was', () => {
    const frames: number[] = [];
    const splitter = new FrameSplitter(limit, (bytes, start) => {
      frames.push(bytes[start + 5] ?? 0);
      return frames.length > 1;
    });
    const chunk = concat([1, 2, 3].map((n) => encodeFrame(FrameType.ping, Uint8Array.of(n))));
    assert.equal(splitter.push(chunk), 'stopped');
    assert.deepEqual(frames, [1]);
    assert.equal(splitter.push(chunk.subarray(splitter.consumed)), undefined);
    assert.deepEqual(frames, [1, 2, 3]);
  });

  test('a stop in a frame that was cut in two knows where it was, too', () => {
    const splitter = new FrameSplitter(limit, () => false);
    const chunk = encodeFrame(FrameType.ping, Uint8Array.of(1));
    assert.equal(splitter.push(chunk.subarray(0, 3)), undefined);
    assert.equal(splitter.push(concat([chunk.subarray(3), chunk])), 'stopped');
    assert.equal(splitter.consumed, 3);
  });

  test('no input makes the splitter throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const { splitter } = collecting();
        for (const chunk of chunks) if (splitter.push(chunk) !== undefined) return;
      }),
    );
  });
});
