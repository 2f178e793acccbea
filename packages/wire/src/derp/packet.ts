/**
 * The frames that carry packets. The relay does not look inside: most are WireGuard, the others disco.
 *
 *     SendPacket     destination public key 32 | packet
 *     RecvPacket     source public key 32      | packet
 *     ForwardPacket  source 32 | destination 32 | packet
 *
 * Source: docs/protocol/derp.md §4. Decoders return views into the body, not copies.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { KEY_BYTES } from '@malla/keys/key';
import { encodeFrame, FrameType, MAX_PACKET_BYTES } from './frame.ts';

/** Longest body of SendPacket and RecvPacket. */
export const MAX_PACKET_BODY_BYTES: number = KEY_BYTES + MAX_PACKET_BYTES;

/** A packet and the node at its other end: where it goes to (sent) or came from (received). */
export interface Addressed {
  /** 32 raw bytes of a node's public key. */
  readonly peer: Uint8Array;
  readonly packet: Uint8Array;
}

export interface Forwarded {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly packet: Uint8Array;
}

export type PacketFault = 'short' | 'packet-too-long';

/** The frame with which a client sends a packet. Throws on an over-long packet: our own bug. */
export function encodeSendPacket(destination: Uint8Array, packet: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.sendPacket, destination, checked(packet));
}

/** The frame with which a server delivers a packet. Throws on an over-long packet: our own bug. */
export function encodeRecvPacket(source: Uint8Array, packet: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.recvPacket, source, checked(packet));
}

/** The frame with which a mesh peer passes a packet on. Throws on an over-long packet: our own bug. */
export function encodeForwardPacket(
  source: Uint8Array,
  destination: Uint8Array,
  packet: Uint8Array,
): Uint8Array {
  return encodeFrame(FrameType.forwardPacket, source, destination, checked(packet));
}

/** Reads the body of a SendPacket or RecvPacket frame. Never throws. */
export function decodeAddressed(body: Uint8Array): Result<Addressed, PacketFault> {
  if (body.length < KEY_BYTES) return fail('short');
  if (body.length > MAX_PACKET_BODY_BYTES) return fail('packet-too-long');
  return ok({ peer: body.subarray(0, KEY_BYTES), packet: body.subarray(KEY_BYTES) });
}

/** Reads the body of a ForwardPacket frame. Never throws. */
export function decodeForwardPacket(body: Uint8Array): Result<Forwarded, PacketFault> {
  if (body.length < 2 * KEY_BYTES) return fail('short');
  if (body.length > KEY_BYTES + MAX_PACKET_BODY_BYTES) return fail('packet-too-long');
  return ok({
    source: body.subarray(0, KEY_BYTES),
    destination: body.subarray(KEY_BYTES, 2 * KEY_BYTES),
    packet: body.subarray(2 * KEY_BYTES),
  });
}

/**
 * Whether the packet from `start` to `end` looks like a disco message (docs/protocol/disco.md §1):
 * the magic `TS` and U+1F4AC, and room for a key, a nonce and a tag. WireGuard packets begin with
 * 01 to 04, so the two cannot be confused.
 */
export function looksLikeDisco(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= DISCO_MIN_BYTES &&
    bytes[start] === 0x54 &&
    bytes[start + 1] === 0x53 &&
    bytes[start + 2] === 0xf0 &&
    bytes[start + 3] === 0x9f &&
    bytes[start + 4] === 0x92 &&
    bytes[start + 5] === 0xac
  );
}

/** Magic 6, sender's key 32, nonce 24. */
const DISCO_MIN_BYTES = 6 + KEY_BYTES + 24;

function checked(packet: Uint8Array): Uint8Array {
  if (packet.length > MAX_PACKET_BYTES) {
    throw new RangeError(`packet is ${packet.length} bytes, limit ${MAX_PACKET_BYTES}`);
  }
  return packet;
}
