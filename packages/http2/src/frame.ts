/**
 * HTTP/2 framing (RFC 9113 §4.1): every frame is a 9-byte header and a payload.
 *
 *     offset  size  field
 *          0     3  length  bytes of payload, big-endian
 *          3     1  type    one of {@link FrameType}; others are ignored
 *          4     1  flags   meaning by type, {@link Flag}
 *          5     4  stream  31 bits; the top bit is reserved and ignored
 *
 * The writers append to the bytes that leave before any response body.
 */
import type { ByteBuffer } from './byte-buffer.ts';

export const FRAME_HEADER_BYTES = 9;
/** Largest payload either side accepts unless it announces more (RFC 9113 §6.5.2); we never do. */
export const MAX_PAYLOAD_BYTES = 16_384;

/** Frame types (RFC 9113 §6). */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Frame flags; `ack` and `endStream` share a bit. */
export const Flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const ErrorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Identifiers in SETTINGS (RFC 9113 §6.5.2); others are ignored. */
export const SettingId = {
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** A frame as received. The payload is valid until the next bytes arrive. */
export interface Frame {
  /** Left as a number: unknown types are legal. */
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Reads 31 bits, big-endian, dropping the top bit. */
export function readU31(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) & 0x7fff_ffff;
}

/** Reads 32 bits, big-endian; absent bytes are zero. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

/**
 * A payload without its padding (RFC 9113 §6.1), from the byte `skip` after the pad length on; undefined
 * when the padding is longer than the payload.
 */
export function unpad(frame: Frame, skip: number): Uint8Array | undefined {
  const { payload } = frame;
  const padded = (frame.flags & Flag.padded) !== 0;
  const start = (padded ? 1 : 0) + skip;
  const end = payload.length - (padded ? (payload[0] ?? 0) : 0);
  return start <= end ? payload.subarray(start, end) : undefined;
}

/** Writes a frame header at `at`. */
export function putFrameHeader(
  into: Uint8Array,
  at: number,
  payloadBytes: number,
  type: FrameType,
  flags: number,
  stream: number,
): void {
  into[at] = payloadBytes >>> 16;
  into[at + 1] = payloadBytes >>> 8;
  into[at + 2] = payloadBytes;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = stream >>> 24;
  into[at + 6] = stream >>> 16;
  into[at + 7] = stream >>> 8;
  into[at + 8] = stream;
}

function frameHeader(
  out: ByteBuffer,
  payloadBytes: number,
  type: FrameType,
  flags: number,
  stream: number,
): void {
  out.u8(payloadBytes >>> 16);
  out.u16(payloadBytes);
  out.u8(type);
  out.u8(flags);
  out.u32(stream);
}

/** Writes SETTINGS with the given identifiers and values. */
export function writeSettings(
  out: ByteBuffer,
  settings: ReadonlyArray<readonly [id: number, value: number]>,
): void {
  frameHeader(out, settings.length * 6, FrameType.settings, 0, 0);
  for (const [id, value] of settings) {
    out.u16(id);
    out.u32(value);
  }
}

/** Writes the acknowledgement of SETTINGS. */
export function writeSettingsAck(out: ByteBuffer): void {
  frameHeader(out, 0, FrameType.settings, Flag.ack, 0);
}

/** Writes PING, or the answer to one, with its 8 bytes. */
export function writePing(out: ByteBuffer, payload: Uint8Array, ack: boolean): void {
  frameHeader(out, payload.length, FrameType.ping, ack ? Flag.ack : 0, 0);
  out.append(payload);
}

/** Writes RST_STREAM. */
export function writeRstStream(out: ByteBuffer, stream: number, code: number): void {
  frameHeader(out, 4, FrameType.rstStream, 0, stream);
  out.u32(code);
}

/** Writes WINDOW_UPDATE; stream 0 is the connection. */
export function writeWindowUpdate(out: ByteBuffer, stream: number, increment: number): void {
  frameHeader(out, 4, FrameType.windowUpdate, 0, stream);
  out.u32(increment);
}

/** Writes GOAWAY with a text for the peer's log. */
export function writeGoAway(
  out: ByteBuffer,
  lastStream: number,
  code: number,
  why: Uint8Array,
): void {
  frameHeader(out, 8 + why.length, FrameType.goAway, 0, 0);
  out.u32(lastStream);
  out.u32(code);
  out.append(why);
}

/** Writes a header block as HEADERS and as many CONTINUATION frames as it needs. */
export function writeHeaderBlock(
  out: ByteBuffer,
  stream: number,
  block: Uint8Array,
  endStream: boolean,
): void {
  let at = 0;
  do {
    const end = Math.min(at + MAX_PAYLOAD_BYTES, block.length);
    const flags =
      (end === block.length ? Flag.endHeaders : 0) | (at === 0 && endStream ? Flag.endStream : 0);
    frameHeader(
      out,
      end - at,
      at === 0 ? FrameType.headers : FrameType.continuation,
      flags,
      stream,
    );
    out.append(block.subarray(at, end));
    at = end;
  } while (at < block.length);
}
