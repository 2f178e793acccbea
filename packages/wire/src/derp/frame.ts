/**
 * DERP framing: after the HTTP upgrade a relay connection carries frames in both directions, each a
 * 5-byte header and a body.
 *
 *     offset  size  field
 *          0     1  type    one of {@link FrameType}
 *          1     4  length  bytes of body that follow, big-endian
 *
 * The order is ServerKey, ClientInfo, ServerInfo, then anything in its direction.
 * Source: docs/protocol/derp.md §2. Unknown types are legal; {@link FrameSplitter} skips them.
 */
import { fail, ok, type Result } from '@malla/base/result';

export const FRAME_HEADER_BYTES = 5;
/** The version both sides announce. */
export const DERP_VERSION = 2;
/** Largest relayed packet. */
export const MAX_PACKET_BYTES = 64 * 1024;
/** Longest body either side skips or accepts; a longer one ends the connection. */
export const MAX_BODY_BYTES = 1 << 20;
/** Longest sealed client info that a server opens. */
export const MAX_CLIENT_INFO_BYTES = 256 * 1024;
/** How often a server sends KeepAlive, ms; it adds up to {@link KEEPALIVE_JITTER_MS}. */
export const KEEPALIVE_MS = 60_000;
export const KEEPALIVE_JITTER_MS = 5_000;

/** Frame types. C is a client, S a server, M a trusted server of the same region (a mesh peer). */
export const FrameType = {
  /** S to C: the server's public key. */
  serverKey: 0x01,
  /** C to S: the client's public key and sealed info. */
  clientInfo: 0x02,
  /** S to C: sealed info. */
  serverInfo: 0x03,
  /** C to S: destination and packet. */
  sendPacket: 0x04,
  /** S to C: source and packet. As long as the SendPacket it came from. */
  recvPacket: 0x05,
  /** S to C: empty. */
  keepAlive: 0x06,
  /** C to S: whether this relay is the client's home. */
  notePreferred: 0x07,
  /** S to C: a peer has disconnected, or was never here. */
  peerGone: 0x08,
  /** S to M: a peer has connected. */
  peerPresent: 0x09,
  /** M to S: source, destination and packet. */
  forwardPacket: 0x0a,
  /** M to S: asks for PeerPresent and PeerGone of all clients. */
  watchConns: 0x10,
  /** M to S: asks to disconnect a client. */
  closePeer: 0x11,
  /** Both ways: 8 bytes that {@link FrameType.pong} echoes. */
  ping: 0x12,
  pong: 0x13,
  /** S to C: text of a problem; empty when it is over. */
  health: 0x14,
  /** S to C: the server restarts; when to reconnect and for how long to try. */
  restarting: 0x15,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export interface FrameHeader {
  /** Left as a number: a peer newer than us may send types we have no name for. */
  readonly type: number;
  readonly bodyBytes: number;
}

export type FrameFault = 'short' | 'body-too-long';

/** Writes a header at `at`. The caller has checked that it fits. */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  type: FrameType,
  bodyBytes: number,
): void {
  into[at] = type;
  into[at + 1] = bodyBytes >>> 24;
  into[at + 2] = bodyBytes >>> 16;
  into[at + 3] = bodyBytes >>> 8;
  into[at + 4] = bodyBytes;
}

/** Header and the parts of a body in one new array. Throws on an over-long body: our own bug. */
export function encodeFrame(type: FrameType, ...body: readonly Uint8Array[]): Uint8Array {
  let bodyBytes = 0;
  for (const part of body) bodyBytes += part.length;
  if (bodyBytes > MAX_BODY_BYTES) {
    throw new RangeError(`DERP body is ${bodyBytes} bytes, limit ${MAX_BODY_BYTES}`);
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bodyBytes);
  writeFrameHeader(frame, 0, type, bodyBytes);
  let at = FRAME_HEADER_BYTES;
  for (const part of body) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Reads a header from bytes an untrusted peer sent. Never throws. */
export function decodeFrameHeader(bytes: Uint8Array): Result<FrameHeader, FrameFault> {
  if (bytes.length < FRAME_HEADER_BYTES) return fail('short');
  const bodyBytes = bodyBytesAt(bytes, 0);
  if (bodyBytes > MAX_BODY_BYTES) return fail('body-too-long');
  return ok({ type: bytes[0] ?? 0, bodyBytes });
}

/** The length field of the header at `at`, which lies wholly inside `bytes`. */
export function bodyBytesAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at + 1] ?? 0) * 0x1000000 +
    (((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0))
  );
}
