/**
 * Cuts received bytes, in any chunking, into the client preface and frames (RFC 9113 §3.4 and §4.1).
 * Frames that are whole in one chunk are not copied; of a partial frame at most 16 KB are kept.
 */
import { ByteBuffer } from './byte-buffer.ts';
import { FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES, readU31, type Frame } from './frame.ts';

/** What a client sends before its first frame: `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`. */
export const CLIENT_PREFACE = Uint8Array.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', (c) =>
  c.charCodeAt(0),
);

export type FrameReaderFault = 'not-http2' | 'frame-too-long';

/** Reassembles frames. After a fault it must not be used again. */
export class FrameReader {
  readonly #partial = new ByteBuffer();
  #prefaceBytes = 0;
  #chunk: Uint8Array = CLIENT_PREFACE;
  #at = CLIENT_PREFACE.length;

  /** Whether bytes of an incomplete frame, or of the preface, are waited for. */
  get midway(): boolean {
    return this.#partial.length > 0 || this.#prefaceBytes < CLIENT_PREFACE.length;
  }

  /** Bytes that are held of an incomplete frame. */
  get heldBytes(): number {
    return this.#partial.length;
  }

  /** Gives the next bytes; the previous ones must have been read by `next` until undefined. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next whole frame, a fault, or undefined when more bytes are needed. */
  next(): Frame | FrameReaderFault | undefined {
    while (this.#prefaceBytes < CLIENT_PREFACE.length) {
      if (this.#at === this.#chunk.length) return this.#exhausted();
      if (this.#chunk[this.#at++] !== CLIENT_PREFACE[this.#prefaceBytes++]) return 'not-http2';
    }
    return this.#partial.length > 0 ? this.#resume() : this.#whole();
  }

  #whole(): Frame | FrameReaderFault | undefined {
    const left = this.#chunk.length - this.#at;
    if (left >= FRAME_HEADER_BYTES) {
      const length = payloadBytes(this.#chunk, this.#at);
      if (length > MAX_PAYLOAD_BYTES) return 'frame-too-long';
      if (left >= FRAME_HEADER_BYTES + length) {
        const start = this.#at;
        this.#at += FRAME_HEADER_BYTES + length;
        return toFrame(this.#chunk.subarray(start, this.#at));
      }
    }
    if (left > 0) this.#keep(left);
    return this.#exhausted();
  }

  #resume(): Frame | FrameReaderFault | undefined {
    if (this.#partial.length < FRAME_HEADER_BYTES) {
      this.#keep(FRAME_HEADER_BYTES - this.#partial.length);
      if (this.#partial.length < FRAME_HEADER_BYTES) return this.#exhausted();
    }
    const length = payloadBytes(this.#partial.view(), 0);
    if (length > MAX_PAYLOAD_BYTES) return 'frame-too-long';
    this.#keep(FRAME_HEADER_BYTES + length - this.#partial.length);
    if (this.#partial.length < FRAME_HEADER_BYTES + length) return this.#exhausted();
    return toFrame(this.#partial.take());
  }

  #keep(atMost: number): void {
    const end = Math.min(this.#at + atMost, this.#chunk.length);
    this.#partial.append(this.#chunk.subarray(this.#at, end));
    this.#at = end;
  }

  /** Lets go of the caller's memory. */
  #exhausted(): undefined {
    this.#chunk = CLIENT_PREFACE;
    this.#at = CLIENT_PREFACE.length;
  }
}

function payloadBytes(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

function toFrame(bytes: Uint8Array): Frame {
  return {
    type: bytes[3] ?? 0,
    flags: bytes[4] ?? 0,
    stream: readU31(bytes, 5),
    payload: bytes.subarray(FRAME_HEADER_BYTES),
  };
}
