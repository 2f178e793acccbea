/**
 * The four messages of WireGuard, byte by byte. All numbers are little-endian.
 *
 *     initiation, 148 bytes        response, 92              cookie reply, 64       transport, 32 and more
 *       0  type 1                    0  type 2                 0  type 3              0  type 4
 *       1  zero, 3 bytes             1  zero, 3 bytes          1  zero, 3 bytes       1  zero, 3 bytes
 *       4  sender's index            4  sender's index         4  receiver's index    4  receiver's index
 *       8  ephemeral key, 32         8  receiver's index       8  nonce, 24           8  counter, 8
 *      40  sealed static key, 48    12  ephemeral key, 32     32  sealed cookie, 32  16  sealed packet
 *      88  sealed timestamp, 28     44  sealed nothing, 16
 *     116  mac1, 16                 60  mac1, 16
 *     132  mac2, 16                 76  mac2, 16
 *
 * Source: WireGuard paper §5.4.2, §5.4.3, §5.4.6, §5.4.7. The macs are the business of `macs.ts`: encoders leave
 * their place empty.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { readInt32, readUint64, writeInt32, writeUint64 } from './little-endian.ts';

export const MessageType = { initiation: 1, response: 2, cookieReply: 3, transport: 4 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;
/** What comes before a packet in a datagram. */
export const TRANSPORT_HEADER_BYTES = 16;
/** What a datagram adds to a packet, its padding aside: header and tag. A keep-alive is no more than that. */
export const TRANSPORT_OVERHEAD_BYTES = 32;

/** What the initiator says first. Arrays of a decoded message are views of it. */
export interface Initiation {
  readonly sender: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

/** What the responder answers. */
export interface Response {
  readonly sender: number;
  readonly receiver: number;
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
}

/** What a responder under load answers instead. */
export interface CookieReply {
  readonly receiver: number;
  readonly nonce: Uint8Array;
  readonly sealedCookie: Uint8Array;
}

/** `type`: none of the four, or the three zero bytes are others, which a later version may use. */
export type MessageFault = 'short' | 'length' | 'type';

/** What a datagram is, if its length is right for that. Never throws. */
export function messageType(
  bytes: Uint8Array,
  at: number,
  length: number,
): MessageType | MessageFault {
  if (length < TRANSPORT_OVERHEAD_BYTES || at + length > bytes.length) return 'short';
  if (bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return 'type';
  switch (bytes[at] ?? 0) {
    case MessageType.transport:
      return MessageType.transport;
    case MessageType.initiation:
      return length === INITIATION_BYTES ? MessageType.initiation : 'length';
    case MessageType.response:
      return length === RESPONSE_BYTES ? MessageType.response : 'length';
    case MessageType.cookieReply:
      return length === COOKIE_REPLY_BYTES ? MessageType.cookieReply : 'length';
    default:
      return 'type';
  }
}

/** Encodes an initiation without macs. */
export function encodeInitiation(initiation: Initiation): Uint8Array {
  const out = new Uint8Array(INITIATION_BYTES);
  out[0] = MessageType.initiation;
  writeInt32(out, 4, initiation.sender);
  place(out, 8, 32, initiation.ephemeral);
  place(out, 40, 48, initiation.sealedStatic);
  place(out, 88, 28, initiation.sealedTimestamp);
  return out;
}

/** Reads an initiation; its macs are not looked at. Never throws. */
export function decodeInitiation(message: Uint8Array): Result<Initiation, MessageFault> {
  const type = messageType(message, 0, message.length);
  if (type !== MessageType.initiation) return fail(faultOf(type));
  return ok({
    sender: readInt32(message, 4),
    ephemeral: message.subarray(8, 40),
    sealedStatic: message.subarray(40, 88),
    sealedTimestamp: message.subarray(88, 116),
  });
}

/** Encodes a response without macs. */
export function encodeResponse(response: Response): Uint8Array {
  const out = new Uint8Array(RESPONSE_BYTES);
  out[0] = MessageType.response;
  writeInt32(out, 4, response.sender);
  writeInt32(out, 8, response.receiver);
  place(out, 12, 32, response.ephemeral);
  place(out, 44, 16, response.sealedNothing);
  return out;
}

/** Reads a response; its macs are not looked at. Never throws. */
export function decodeResponse(message: Uint8Array): Result<Response, MessageFault> {
  const type = messageType(message, 0, message.length);
  if (type !== MessageType.response) return fail(faultOf(type));
  return ok({
    sender: readInt32(message, 4),
    receiver: readInt32(message, 8),
    ephemeral: message.subarray(12, 44),
    sealedNothing: message.subarray(44, 60),
  });
}

/** Encodes a cookie reply. */
export function encodeCookieReply(reply: CookieReply): Uint8Array {
  const out = new Uint8Array(COOKIE_REPLY_BYTES);
  out[0] = MessageType.cookieReply;
  writeInt32(out, 4, reply.receiver);
  place(out, 8, 24, reply.nonce);
  place(out, 32, 32, reply.sealedCookie);
  return out;
}

/** Reads a cookie reply. Never throws. */
export function decodeCookieReply(message: Uint8Array): Result<CookieReply, MessageFault> {
  const type = messageType(message, 0, message.length);
  if (type !== MessageType.cookieReply) return fail(faultOf(type));
  return ok({
    receiver: readInt32(message, 4),
    nonce: message.subarray(8, 32),
    sealedCookie: message.subarray(32, 64),
  });
}

/** Writes the header of a transport message. */
export function writeTransportHeader(
  bytes: Uint8Array,
  at: number,
  receiver: number,
  counter: number,
): void {
  bytes[at] = MessageType.transport;
  bytes[at + 1] = 0;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  writeInt32(bytes, at + 4, receiver);
  writeUint64(bytes, at + 8, counter);
}

/** The index of its receiver, of a transport message. */
export function readReceiver(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + 4);
}

/** The counter of a transport message. One that is too large for a number comes out as larger than any that is used. */
export function readCounter(bytes: Uint8Array, at: number): number {
  return readUint64(bytes, at + 8);
}

/** A field of another length is our own bug. */
function place(out: Uint8Array, at: number, bytes: number, field: Uint8Array): void {
  if (field.length !== bytes) throw new RangeError(`${field.length} bytes in a field of ${bytes}`);
  out.set(field, at);
}

function faultOf(type: MessageType | MessageFault): MessageFault {
  return typeof type === 'string' ? type : 'type';
}
