/**
 * What leaves a connection, made only when the transport asks for it. Frames that do not count against
 * flow control wait as bytes and go first; DATA frames are cut from what waits on the streams, which
 * take turns. So a body is copied once, from the writer's bytes to the driver's buffer, a broadcast is
 * held once for all its readers, and what is reset before it left costs nothing.
 */
import { ByteBuffer } from './byte-buffer.ts';
import { DEFAULT_WINDOW } from './flow.ts';
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_PAYLOAD_BYTES, putFrameHeader } from './frame.ts';
import type { Stream } from './stream.ts';

/** No DATA frame is cut shorter than this to fill up the driver's buffer. */
const MIN_CUT_BYTES = 256;
/** Smallest buffer that {@link Outbox.take} makes progress with. */
export const MIN_TAKE_BYTES = FRAME_HEADER_BYTES + MIN_CUT_BYTES;

/** The sending half of a connection. */
export class Outbox {
  /** Whole frames other than DATA. */
  readonly control = new ByteBuffer();
  /** What the peer lets us send in all. */
  window = DEFAULT_WINDOW;
  /** Body bytes that wait on all streams. */
  buffered = 0;
  /** Whether some stream has reached the phase `ended`. */
  someEnded = false;
  readonly #streams: readonly Stream[];
  #turn = 0;

  /** The connection adds to and removes from `streams`. */
  constructor(streams: readonly Stream[]) {
    this.#streams = streams;
  }

  /** Whether {@link take} would give anything. */
  get ready(): boolean {
    if (this.control.length > 0) return true;
    for (const stream of this.#streams) if (this.#canSend(stream)) return true;
    return false;
  }

  /** Fills `into` from its beginning; returns how many bytes, 0 when nothing may be sent now. */
  take(into: Uint8Array): number {
    let at = this.control.length > 0 ? this.control.moveTo(into, 0) : 0;
    if (this.control.length > 0) return at;
    for (let skipped = 0; skipped < this.#streams.length;) {
      if (this.#turn >= this.#streams.length) this.#turn = 0;
      const stream = this.#streams[this.#turn];
      if (stream === undefined || !this.#canSend(stream)) {
        skipped++;
        this.#turn++;
        continue;
      }
      const allowed = Math.min(stream.pending, stream.sendWindow, this.window, MAX_PAYLOAD_BYTES);
      const size = stream.pending === 0 ? 0 : allowed;
      const room = into.length - at - FRAME_HEADER_BYTES;
      if (room < Math.min(size, MIN_CUT_BYTES)) return at;
      at = this.#putData(stream, Math.min(size, room), into, at);
      skipped = 0;
      this.#turn++;
    }
    return at;
  }

  #canSend(stream: Stream): boolean {
    return stream.sendable && (this.window > 0 || stream.pending === 0);
  }

  #putData(stream: Stream, size: number, into: Uint8Array, at: number): number {
    if (size > 0) {
      stream.moveTo(into, at + FRAME_HEADER_BYTES, size);
      this.window -= size;
      this.buffered -= size;
    }
    const last = stream.phase === 'ending' && stream.pending === 0;
    if (last) {
      stream.phase = 'ended';
      this.someEnded = true;
    }
    putFrameHeader(into, at, size, FrameType.data, last ? Flag.endStream : 0, stream.id);
    return at + FRAME_HEADER_BYTES + size;
  }
}
