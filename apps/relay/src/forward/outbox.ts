/**
 * Everything that waits to be written to one client, and the rules about it.
 *
 * - Three queues: notices of the relay itself, disco packets, and all other packets. They are written
 *   in this order, because a lost disco packet costs a path and a lost packet only a retransmission.
 * - One turn writes each queue at once. Until that is written, more gathers behind it.
 * - Packets that do not fit drop the oldest of their queue. A client whose notices do not fit is not
 *   reading at all; {@link Outbox.notice} says so and the client is disconnected.
 * - After a write that took long the next one is small, so that a slow reader is seen to make progress (docs/protocol/derp.md §4: who takes nothing for 2 s is disconnected).
 */
import type { BufferPool } from './buffer-pool.ts';
import { FrameQueue, type QueueBounds } from './frame-queue.ts';

/**
 * Writes to the client. True: the bytes are taken and free. False: they are in use until
 * {@link Outbox.written} has been called once for this write.
 */
export type Write = (bytes: Uint8Array) => boolean;

const DATA_BOUNDS: QueueBounds = { bytes: 128 * 1024, frames: 512 };
const DISCO_BOUNDS: QueueBounds = { bytes: 128 * 1024, frames: 64 };
const NOTICE_BOUNDS: QueueBounds = { bytes: 64 * 1024, frames: 4096 };
/** The most that one write may have, so that 2 s are enough on a line of 256 kbit/s. */
const MAX_WRITE_BYTES = 64 * 1024;
/** The same for a client of which the last write took {@link SLOW_WRITE_MS}: 64 kbit/s. */
const MAX_SLOW_WRITE_BYTES = 16 * 1024;
const SLOW_WRITE_MS = 50;

export class Outbox {
  readonly #pool: BufferPool;
  readonly #write: Write;
  readonly #notices: FrameQueue;
  /** Made when first needed: most clients never get any. */
  #disco: FrameQueue | undefined;
  #data: FrameQueue | undefined;
  #inFlight: Buffer[] = [];
  #writesInFlight = 0;
  #inFlightSince = 0;
  #slow = false;

  constructor(pool: BufferPool, write: Write) {
    this.#pool = pool;
    this.#write = write;
    this.#notices = new FrameQueue(pool, NOTICE_BOUNDS);
  }

  /** Since when the client takes nothing; undefined while it does. */
  get stuckSince(): number | undefined {
    return this.#writesInFlight > 0 ? this.#inFlightSince : undefined;
  }

  /** Bytes that wait, without those in flight. */
  get waitingBytes(): number {
    return this.#notices.bytes + (this.#disco?.bytes ?? 0) + (this.#data?.bytes ?? 0);
  }

  /** Writes the first bytes of the connection, before anything was queued. They must not be reused. */
  greet(bytes: Uint8Array, now: number): void {
    if (this.#write(bytes)) return;
    this.#writesInFlight++;
    this.#inFlightSince = now;
  }

  /** Queues a frame of the relay's own; false when the client is too far behind to be told anything. */
  notice(frame: Uint8Array): boolean {
    return this.#notices.push(frame, 0, frame.length, 1) === 0;
  }

  /** Queues frames of disco packets; returns how many older ones were dropped. */
  disco(bytes: Uint8Array, start: number, end: number, frames: number): number {
    this.#disco ??= new FrameQueue(this.#pool, DISCO_BOUNDS);
    return this.#disco.push(bytes, start, end, frames);
  }

  /** Queues frames of other packets; returns how many older ones were dropped. */
  data(bytes: Uint8Array, start: number, end: number, frames: number): number {
    this.#data ??= new FrameQueue(this.#pool, DATA_BOUNDS);
    return this.#data.push(bytes, start, end, frames);
  }

  /** Writes what waits, unless an earlier write is still in flight. Returns how many writes it made. */
  flush(now: number): number {
    if (this.#writesInFlight > 0) return 0;
    return (
      this.#writeFrom(this.#notices, now) +
      this.#writeFrom(this.#disco, now) +
      this.#writeFrom(this.#data, now)
    );
  }

  /** One write that was in flight has been taken. Returns whether more waits to be flushed. */
  written(now: number): boolean {
    if (--this.#writesInFlight > 0) return false;
    for (const buffer of this.#inFlight) this.#pool.release(buffer);
    this.#inFlight = [];
    this.#slow = now - this.#inFlightSince >= SLOW_WRITE_MS;
    return this.waitingBytes > 0;
  }

  /** Forgets what waits; writes in flight will not report any more. */
  close(): void {
    this.#notices.clear();
    this.#disco?.clear();
    this.#data?.clear();
    for (const buffer of this.#inFlight) this.#pool.abandon(buffer);
    this.#inFlight = [];
  }

  #writeFrom(queue: FrameQueue | undefined, now: number): number {
    const maxBytes = this.#slow ? MAX_SLOW_WRITE_BYTES : MAX_WRITE_BYTES;
    for (let writes = 0; ; writes++) {
      const taken = queue?.take(maxBytes);
      if (taken === undefined) return writes;
      if (this.#write(taken.bytes)) {
        this.#pool.release(taken.buffer);
        continue;
      }
      this.#inFlight.push(taken.buffer);
      this.#writesInFlight++;
      this.#inFlightSince = now;
      return writes + 1;
    }
  }
}
