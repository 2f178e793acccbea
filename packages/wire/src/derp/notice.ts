/**
 * The small frames about the connection and its peers.
 *
 *     KeepAlive      empty
 *     NotePreferred  01 when this relay is the client's home, else 00
 *     PeerGone       public key 32 | reason 1
 *     PeerPresent    public key 32 | IPv6 or v4-mapped address 16 | port 2 | flags 1
 *     WatchConns     empty
 *     ClosePeer      public key 32
 *     Ping, Pong     8 bytes; a server takes pings of 8 to 1000 bytes and echoes the first 8
 *     Health         UTF-8 text; empty means healthy again
 *     Restarting     reconnect in, ms 4 | try for, ms 4
 *
 * Source: docs/protocol/derp.md §5. Integers are big-endian. Longer bodies than these are accepted,
 * for fields of the future.
 */
import { fromUtf8, utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { KEY_BYTES } from '@malla/keys/key';
import { encodeFrame, FrameType } from './frame.ts';

export const PING_BYTES = 8;
export const MAX_PING_BYTES = 1000;
/** Longest health text that is sent or read, in bytes. */
export const MAX_HEALTH_BYTES = 16 * 1024;

/** Why a peer cannot be reached through this relay. */
export const GoneReason = {
  /** It was connected and has left. */
  disconnected: 0,
  /** A packet came for it, but it is not connected. */
  notHere: 1,
} as const;
export type GoneReason = (typeof GoneReason)[keyof typeof GoneReason];

/** Bits of PeerPresent flags. */
export const PresentFlag = { regular: 1, meshPeer: 2, prober: 4, notIdeal: 8 } as const;

export interface PeerGone {
  readonly peer: Uint8Array;
  /** Left as a number: a newer server may have other reasons. */
  readonly reason: number;
}

export interface PeerPresent {
  readonly peer: Uint8Array;
  /** 16 bytes; IPv4 is v4-mapped. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Sum of {@link PresentFlag} bits. */
  readonly flags: number;
}

export interface Restarting {
  readonly reconnectInMs: number;
  readonly tryForMs: number;
}

export type NoticeFault = 'short' | 'too-long';

/** The KeepAlive frame. */
export function encodeKeepAlive(): Uint8Array {
  return encodeFrame(FrameType.keepAlive);
}

/** The frame that says whether this relay is the client's home. */
export function encodeNotePreferred(preferred: boolean): Uint8Array {
  return encodeFrame(FrameType.notePreferred, Uint8Array.of(preferred ? 1 : 0));
}

/** Reads the body of a NotePreferred frame. Never throws. */
export function decodeNotePreferred(body: Uint8Array): Result<boolean, NoticeFault> {
  return body.length < 1 ? fail('short') : ok(body[0] !== 0);
}

/** The frame that says a peer is gone. */
export function encodePeerGone(peer: Uint8Array, reason: GoneReason): Uint8Array {
  return encodeFrame(FrameType.peerGone, peer, Uint8Array.of(reason));
}

/** Reads the body of a PeerGone frame; without a reason byte it is 0. Never throws. */
export function decodePeerGone(body: Uint8Array): Result<PeerGone, NoticeFault> {
  if (body.length < KEY_BYTES) return fail('short');
  return ok({ peer: new Uint8Array(body.subarray(0, KEY_BYTES)), reason: body[KEY_BYTES] ?? 0 });
}

/** The frame that tells a mesh peer of a client. */
export function encodePeerPresent(present: PeerPresent): Uint8Array {
  const { peer, address, port, flags } = present;
  const tail = Uint8Array.of(port >>> 8, port, flags);
  return encodeFrame(FrameType.peerPresent, peer, address, tail);
}

/** Reads the body of a PeerPresent frame; address, port and flags may be absent. Never throws. */
export function decodePeerPresent(body: Uint8Array): Result<PeerPresent, NoticeFault> {
  if (body.length < KEY_BYTES) return fail('short');
  const rest = new Uint8Array(19);
  rest.set(body.subarray(KEY_BYTES, KEY_BYTES + 19));
  return ok({
    peer: new Uint8Array(body.subarray(0, KEY_BYTES)),
    address: rest.subarray(0, 16),
    port: ((rest[16] ?? 0) << 8) | (rest[17] ?? 0),
    flags: rest[18] ?? 0,
  });
}

/** The frame with which a mesh peer asks to be told of every client. */
export function encodeWatchConns(): Uint8Array {
  return encodeFrame(FrameType.watchConns);
}

/** The frame with which a mesh peer asks to disconnect a client. */
export function encodeClosePeer(peer: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.closePeer, peer);
}

/** The public key in the body of a ClosePeer frame. Never throws. */
export function decodeClosePeer(body: Uint8Array): Result<Uint8Array, NoticeFault> {
  return body.length < KEY_BYTES ? fail('short') : ok(new Uint8Array(body.subarray(0, KEY_BYTES)));
}

/** A Ping frame of 8 bytes. */
export function encodePing(payload: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.ping, payload.subarray(0, PING_BYTES));
}

/** The Pong frame that answers a ping's payload. */
export function encodePong(payload: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.pong, payload.subarray(0, PING_BYTES));
}

/** The 8 bytes to echo or to match, from the body of a Ping or Pong frame. Never throws. */
export function decodePing(body: Uint8Array): Result<Uint8Array, NoticeFault> {
  if (body.length < PING_BYTES) return fail('short');
  if (body.length > MAX_PING_BYTES) return fail('too-long');
  return ok(new Uint8Array(body.subarray(0, PING_BYTES)));
}

/** The frame that shows a problem to the client's user; empty text takes it back. */
export function encodeHealth(problem: string): Uint8Array {
  return encodeFrame(FrameType.health, utf8(problem).subarray(0, MAX_HEALTH_BYTES));
}

/** The text in the body of a Health frame. Never throws. */
export function decodeHealth(body: Uint8Array): Result<string, NoticeFault> {
  return body.length > MAX_HEALTH_BYTES ? fail('too-long') : ok(fromUtf8(body));
}

/** The frame that announces a restart. */
export function encodeRestarting({ reconnectInMs, tryForMs }: Restarting): Uint8Array {
  const body = new Uint8Array(8);
  const view = new DataView(body.buffer);
  view.setUint32(0, reconnectInMs);
  view.setUint32(4, tryForMs);
  return encodeFrame(FrameType.restarting, body);
}

/** Reads the body of a Restarting frame. Never throws. */
export function decodeRestarting(body: Uint8Array): Result<Restarting, NoticeFault> {
  if (body.length < 8) return fail('short');
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return ok({ reconnectInMs: view.getUint32(0), tryForMs: view.getUint32(4) });
}
