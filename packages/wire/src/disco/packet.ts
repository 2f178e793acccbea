/**
 * A disco packet: the same over UDP and over a relay.
 *
 *     offset  size  field
 *          0     6  magic, "TS" and a speech balloon in UTF-8
 *          6    32  disco key of the sender
 *         38    24  nonce
 *         62     -  NaCl box of a message (16 bytes longer than that)
 *
 * Source: docs/protocol/disco.md §1.
 */
import { fail, type Result } from '@malla/base/result';
import {
  BOX_NONCE_BYTES,
  BOX_OVERHEAD_BYTES,
  type BoxKey,
  boxOpenWith,
  boxSealWith,
} from '@malla/keys/nacl-box';
import { KEY_BYTES } from '@malla/keys/key';
import {
  decodeDisco,
  type DiscoFault,
  type DiscoMessage,
  encodeDisco,
  PING_ID_BYTES,
} from './message.ts';

const MAGIC = Uint8Array.of(0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac);
const HEADER_BYTES = MAGIC.length + KEY_BYTES;
/** Of the shortest packet: a message has a type and a version. */
export const MIN_DISCO_BYTES = HEADER_BYTES + BOX_OVERHEAD_BYTES + 2;
/** Of a ping with a node key and no padding, as a UDP payload. */
export const PING_PACKET_BYTES = MIN_DISCO_BYTES + PING_ID_BYTES + KEY_BYTES;

/** Whether it can only be disco, for telling protocols on one UDP socket apart. */
export function looksLikeDisco(bytes: Uint8Array): boolean {
  if (bytes.length < MIN_DISCO_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return false;
  return true;
}

/** The disco key that a packet claims to be of, as a view. The packet {@link looksLikeDisco}. */
export function senderOf(packet: Uint8Array): Uint8Array {
  return packet.subarray(MAGIC.length, HEADER_BYTES);
}

/** Seals a message with the key that the sender shares with the receiver. The nonce is random, 24 bytes. */
export function sealDisco(
  sender: Uint8Array,
  key: BoxKey,
  nonce: Uint8Array,
  message: DiscoMessage,
): Uint8Array {
  if (sender.length !== KEY_BYTES || nonce.length !== BOX_NONCE_BYTES) {
    throw new RangeError('a disco key has 32 bytes and a nonce 24');
  }
  const box = boxSealWith(key, nonce, encodeDisco(message));
  const out = new Uint8Array(HEADER_BYTES + box.length);
  out.set(MAGIC);
  out.set(sender, MAGIC.length);
  out.set(box, HEADER_BYTES);
  return out;
}

/** Opens a packet with the key shared with {@link senderOf} it. Never throws. */
export function openDisco(
  key: BoxKey,
  packet: Uint8Array,
): Result<DiscoMessage, DiscoFault | 'not-disco' | 'not-authentic'> {
  if (!looksLikeDisco(packet)) return fail('not-disco');
  const opened = boxOpenWith(key, packet.subarray(HEADER_BYTES));
  return opened.ok ? decodeDisco(opened.value) : opened;
}

/**
 * The padding with which a ping makes an IP packet of so many bytes, none where it has as many without.
 * IPv4 without options has a header of 20 bytes, IPv6 of 40, UDP of 8.
 */
export function paddingFor(ipPacketBytes: number, family: 4 | 6): number {
  return Math.max(0, ipPacketBytes - (family === 4 ? 28 : 48) - PING_PACKET_BYTES);
}
