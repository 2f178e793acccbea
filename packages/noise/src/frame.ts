/**
 * Frames of ts2021, the stream under Noise. They live here and not in `@malla/wire`, because noise may
 * not import wire and because both the handshake and the record layer are framed this way.
 *
 *      0        1                 3
 *     +--------+-----------------+------+
 *     | type   | length (u16 BE) | body |
 *     +--------+-----------------+------+
 *
 * Only the initiation has two bytes more, in front: the protocol version (u16 BE). It travels in an
 * HTTP header and not in the stream.
 *
 * Source: docs/protocol/ts2021.md §3.
 */
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';

export const FrameType = { initiation: 1, response: 2, error: 3, record: 4 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const FRAME_HEADER_BYTES = 3;
/** Header and body together. A longer frame ends the connection. */
export const MAX_FRAME_BYTES = 4096;
export const MAX_BODY_BYTES = MAX_FRAME_BYTES - FRAME_HEADER_BYTES;

/** Ephemeral key 32, sealed machine key 48, tag of the empty payload 16. */
export const INITIATION_MESSAGE_BYTES = 96;
/** Ephemeral key 32, tag of the empty payload 16. */
export const RESPONSE_MESSAGE_BYTES = 48;

const VERSION_BYTES = 2;
const INITIATION_BYTES = VERSION_BYTES + FRAME_HEADER_BYTES + INITIATION_MESSAGE_BYTES;
const RESPONSE_BYTES = FRAME_HEADER_BYTES + RESPONSE_MESSAGE_BYTES;

export interface FrameHeader {
  /** Any byte: the reader decides which types it knows. */
  readonly type: number;
  readonly bodyBytes: number;
}

export type FrameHeaderFault = 'short' | 'too-long';
export type InitiationFault = 'wrong-length' | 'not-an-initiation';
export type ResponseFault = 'wrong-length' | 'not-a-response' | 'refused';

/** The first message of the handshake, with the version that its sender speaks. */
export interface Initiation {
  /** The client's capability version. */
  readonly protocolVersion: number;
  /** The Noise message, {@link INITIATION_MESSAGE_BYTES} long. */
  readonly message: Uint8Array;
}

/** Writes a header at `at`. Throws where the body would be too long: that is our own bug. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  type: FrameType,
  bodyBytes: number,
): void {
  if (bodyBytes > MAX_BODY_BYTES) throw new RangeError(`a frame cannot hold ${bodyBytes} bytes`);
  out[at] = type;
  out[at + 1] = bodyBytes >> 8;
  out[at + 2] = bodyBytes & 0xff;
}

/** Reads the header that `bytes` begins with. Never throws. */
export function decodeFrameHeader(bytes: Uint8Array): Result<FrameHeader, FrameHeaderFault> {
  if (bytes.length < FRAME_HEADER_BYTES) return fail('short');
  const [type = 0, high = 0, low = 0] = bytes;
  const bodyBytes = (high << 8) | low;
  if (bodyBytes > MAX_BODY_BYTES) return fail('too-long');
  return ok({ type, bodyBytes });
}

/** Frames a Noise message as an initiation. Throws on a wrong length or version: our own bug. */
export function encodeInitiation(initiation: Initiation): Uint8Array {
  const { protocolVersion, message } = initiation;
  if (message.length !== INITIATION_MESSAGE_BYTES) throw new RangeError('wrong initiation length');
  if (!(protocolVersion >= 0 && protocolVersion <= 0xffff)) {
    throw new RangeError(`protocol version ${protocolVersion} does not fit 16 bits`);
  }
  const frame = new Uint8Array(INITIATION_BYTES);
  frame[0] = protocolVersion >> 8;
  frame[1] = protocolVersion & 0xff;
  writeFrameHeader(frame, VERSION_BYTES, FrameType.initiation, message.length);
  frame.set(message, VERSION_BYTES + FRAME_HEADER_BYTES);
  return frame;
}

/** Reads one whole initiation frame. The message is a view of it. Never throws. */
export function decodeInitiation(frame: Uint8Array): Result<Initiation, InitiationFault> {
  if (frame.length !== INITIATION_BYTES) return fail('wrong-length');
  const header = decodeFrameHeader(frame.subarray(VERSION_BYTES));
  if (!header.ok || header.value.type !== FrameType.initiation) return fail('not-an-initiation');
  if (header.value.bodyBytes !== INITIATION_MESSAGE_BYTES) return fail('wrong-length');
  const [high = 0, low = 0] = frame;
  return ok({
    protocolVersion: (high << 8) | low,
    message: frame.subarray(VERSION_BYTES + FRAME_HEADER_BYTES),
  });
}

/** Frames a Noise message as a response. */
export function encodeResponse(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(RESPONSE_BYTES);
  writeFrameHeader(frame, 0, FrameType.response, message.length);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Reads one whole response frame into its Noise message, a view of it. `refused`: it is an error frame,
 * whose text {@link decodeError} gives. Never throws.
 */
export function decodeResponse(frame: Uint8Array): Result<Uint8Array, ResponseFault> {
  const header = decodeFrameHeader(frame);
  if (!header.ok) return fail('wrong-length');
  if (header.value.type === FrameType.error) return fail('refused');
  if (header.value.type !== FrameType.response) return fail('not-a-response');
  if (frame.length !== RESPONSE_BYTES || header.value.bodyBytes !== RESPONSE_MESSAGE_BYTES) {
    return fail('wrong-length');
  }
  return ok(frame.subarray(FRAME_HEADER_BYTES));
}

/**
 * The frame that a server may send instead of a response. Nothing protects the text, and the person
 * who reads it may be anyone: it says no more than is public.
 */
export function encodeError(text: string): Uint8Array {
  const body = utf8(text);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(frame, 0, FrameType.error, body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** The text of one whole error frame. Anyone on the path may have written it. Never throws. */
export function decodeError(frame: Uint8Array): Result<string, 'not-an-error'> {
  const header = decodeFrameHeader(frame);
  if (!header.ok || header.value.type !== FrameType.error) return fail('not-an-error');
  const body = frame.subarray(FRAME_HEADER_BYTES);
  if (body.length !== header.value.bodyBytes) return fail('not-an-error');
  return ok(fromUtf8(body));
}
