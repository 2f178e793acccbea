import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeFrame, FrameType } from '@malla/wire/derp/frame';
import { BufferPool } from './buffer-pool.ts';
import { Outbox } from './outbox.ts';

function packet(bytes: number, fill = 0): Uint8Array {
  return encodeFrame(FrameType.recvPacket, new Uint8Array(bytes).fill(fill));
}

/** An outbox whose writes are kept; `takes` says whether the system takes them at once. */
class Writes {
  readonly pool = new BufferPool(1 << 20);
  readonly sizes: number[] = [];
  readonly types: number[] = [];
  takes = true;
  readonly outbox = new Outbox(this.pool, (bytes) => {
    this.sizes.push(bytes.length);
    this.types.push(bytes[0] ?? 0);
    return this.takes;
  });

  data(frame: Uint8Array): number {
    return this.outbox.data(frame, 0, frame.length, 1);
  }

  disco(frame: Uint8Array): number {
    return this.outbox.disco(frame, 0, frame.length, 1);
  }
}

describe('outbox', () => {
  test('many packets go out in one write', () => {
    const writes = new Writes();
    for (let i = 0; i < 10; i++) writes.data(packet(1200));
    assert.equal(writes.outbox.flush(0), 1);
    assert.deepEqual(writes.sizes, [12_050]);
    assert.equal(writes.pool.lentBytes, 0);
  });

  test('notices go before disco, and disco before data', () => {
    const writes = new Writes();
    writes.data(packet(100));
    writes.disco(packet(80));
    writes.outbox.notice(encodeFrame(FrameType.keepAlive));
    writes.outbox.flush(0);
    assert.deepEqual(writes.sizes, [5, 85, 105]);
  });

  test('while a write is in flight more gathers behind it', () => {
    const writes = new Writes();
    writes.takes = false;
    writes.data(packet(100));
    writes.outbox.flush(1000);
    writes.data(packet(100));
    writes.data(packet(100));
    assert.equal(writes.outbox.flush(1001), 0);
    assert.equal(writes.outbox.stuckSince, 1000);
    assert.equal(writes.outbox.written(1002), true);
    assert.equal(writes.outbox.stuckSince, undefined);
    writes.outbox.flush(1003);
    assert.deepEqual(writes.sizes, [105, 210]);
  });

  test('one write is at most 64 KiB, and 16 KiB after one that took long', () => {
    const writes = new Writes();
    writes.takes = false;
    for (let i = 0; i < 100; i++) writes.data(packet(1195));
    writes.outbox.flush(0);
    writes.outbox.written(49);
    writes.outbox.flush(49);
    writes.outbox.written(99);
    for (let i = 0; i < 100; i++) writes.data(packet(1195));
    writes.outbox.flush(99);
    assert.deepEqual(writes.sizes, [54 * 1200, 46 * 1200, 13 * 1200]);
  });

  test('a full queue drops the oldest packets, disco apart from the rest', () => {
    const writes = new Writes();
    writes.disco(packet(100));
    let dropped = 0;
    for (let i = 0; i < 1000; i++) dropped += writes.data(packet(1195));
    assert.equal(dropped, 1000 - Math.floor((128 * 1024) / 1200));
    writes.outbox.flush(0);
    assert.equal(writes.sizes[0], 105);
  });

  test('who cannot even be told notices is reported', () => {
    const writes = new Writes();
    const notice = encodeFrame(FrameType.health, new Uint8Array(16_000));
    const told = Array.from({ length: 5 }, () => writes.outbox.notice(notice));
    assert.deepEqual(told, [true, true, true, true, false]);
  });

  test('a closed outbox owes nothing to the pool', () => {
    const writes = new Writes();
    writes.takes = false;
    writes.data(packet(100));
    writes.outbox.flush(0);
    writes.data(packet(100));
    writes.disco(packet(100));
    writes.outbox.close();
    assert.equal(writes.pool.lentBytes, 0);
  });
});
