/**
 * TSMP, Tailscale's messages between nodes inside the tunnel: whole IP packets of protocol 99, without options or
 * extension headers. The body begins with what it is.
 *
 *     ping    'p', 8 bytes of the asker's
 *     pong    'o', the same 8 bytes, port of the PeerAPI (u16 BE; none in old ones)
 *     reject  '!', IP protocol, reason, source port, destination port (u16 BE each), [flags]
 *     disco   'a', disco key, 32 bytes
 *
 * A reject travels against the flow that it is of: its addresses are the other way round, its ports are not.
 * Unknown types are legal, and so is what follows a body.
 *
 * Observed: official clients up to 1.102. Source: RFC 791 §3.1, RFC 1071.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type Address, addressBytes, addressFromBytes } from '@malla/ip/address';
import { destinationAt, familyOfPacket, headerBytes, sourceAt, statedLength } from './ip-packet.ts';

/** IANA: "any private encryption scheme". */
export const TSMP_PROTOCOL = 99;
/** Of a ping's own bytes. */
export const PING_DATA_BYTES = 8;

const DISCO_KEY_BYTES = 32;
const HOPS = 64;
const Type = { ping: 0x70, pong: 0x6f, reject: 0x21, disco: 0x61 } as const;
const REASONS = {
  A: 'acl',
  S: 'shields-up',
  F: 'forwarding-off',
  W: 'host-firewall',
  T: 'other',
} as const;

/** Why a flow was refused. Letters that a later client may use are told as `other`. */
export type RejectReason = (typeof REASONS)[keyof typeof REASONS];

export type TsmpMessage =
  | { readonly kind: 'ping'; readonly data: Uint8Array }
  | { readonly kind: 'pong'; readonly data: Uint8Array; readonly peerApiPort: number }
  | {
      readonly kind: 'reject';
      /** Of the flow. */
      readonly protocol: number;
      readonly reason: RejectReason;
      readonly sourcePort: number;
      readonly destinationPort: number;
      /** The refusal may be for want of something on the other side that is going to be mended. */
      readonly maybeBroken: boolean;
    }
  | { readonly kind: 'disco-key'; readonly key: Uint8Array };

/** A message with the addresses of its packet. */
export interface Tsmp {
  readonly source: Address;
  readonly destination: Address;
  readonly message: TsmpMessage;
}

export type TsmpFault = 'not-ip' | 'not-tsmp' | 'short' | 'unknown-type';

/** The whole IP packet. Throws where addresses are of two families or data of another length: our own bug. */
export function encodeTsmp({ source, destination, message }: Tsmp): Uint8Array {
  if (source.family !== destination.family) throw new RangeError('addresses of two families');
  const body = encodeBody(message);
  const header = headerBytes(source.family);
  const packet = new Uint8Array(header + body.length);
  packet.set(body, header);
  packet.set(addressBytes(source), sourceAt(source.family, 0));
  packet.set(addressBytes(destination), destinationAt(source.family, 0));
  if (source.family === 6) {
    packet[0] = 0x60;
    packet[5] = body.length;
    packet[6] = TSMP_PROTOCOL;
    packet[7] = HOPS;
    return packet;
  }
  packet[0] = 0x45;
  packet[3] = packet.length;
  packet[8] = HOPS;
  packet[9] = TSMP_PROTOCOL;
  let sum = 0;
  for (let at = 0; at < header; at += 2) sum += ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  packet[10] = (~sum >> 8) & 0xff;
  packet[11] = ~sum & 0xff;
  return packet;
}

/** Reads a packet; arrays are views of it. Never throws. */
export function decodeTsmp(packet: Uint8Array): Result<Tsmp, TsmpFault> {
  const family = familyOfPacket(packet, 0, packet.length);
  if (family === 0) return fail('not-ip');
  const protocol = family === 4 ? packet[9] : packet[6];
  if (protocol !== TSMP_PROTOCOL) return fail('not-tsmp');
  const header = family === 4 ? ((packet[0] ?? 0) & 0x0f) * 4 : headerBytes(family);
  const end = statedLength(family, packet, 0);
  if (header < headerBytes(family) || end > packet.length || end <= header) return fail('short');
  // Of a fragment nobody knows what it is.
  if (family === 4 && (((packet[6] ?? 0) & 0x3f) !== 0 || packet[7] !== 0)) return fail('not-tsmp');
  const message = decodeBody(packet.subarray(header, end));
  if (!message.ok) return message;
  const width = family === 4 ? 4 : 16;
  const [from, to] = [sourceAt(family, 0), destinationAt(family, 0)];
  const source = addressFromBytes(packet.subarray(from, from + width));
  const destination = addressFromBytes(packet.subarray(to, to + width));
  if (!source.ok || !destination.ok) return fail('not-ip');
  return ok({ source: source.value, destination: destination.value, message: message.value });
}

function encodeBody(message: TsmpMessage): Uint8Array {
  switch (message.kind) {
    case 'ping':
      return Uint8Array.of(Type.ping, ...exactly(message.data, PING_DATA_BYTES));
    case 'pong': {
      const { data, peerApiPort: port } = message;
      return Uint8Array.of(Type.pong, ...exactly(data, PING_DATA_BYTES), port >> 8, port & 0xff);
    }
    case 'disco-key':
      return Uint8Array.of(Type.disco, ...exactly(message.key, DISCO_KEY_BYTES));
    case 'reject': {
      const { protocol, reason, sourcePort: from, destinationPort: to, maybeBroken } = message;
      const [letter = 'T'] = Object.entries(REASONS).find(([, word]) => word === reason) ?? [];
      const ports = [from >> 8, from & 0xff, to >> 8, to & 0xff];
      const flags = maybeBroken ? [1] : [];
      return Uint8Array.of(Type.reject, protocol, letter.charCodeAt(0), ...ports, ...flags);
    }
  }
}

function decodeBody(body: Uint8Array): Result<TsmpMessage, TsmpFault> {
  const u16 = (at: number): number => ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
  const has = (bytes: number): boolean => body.length >= 1 + bytes;
  switch (body[0] ?? 0) {
    case Type.ping:
      if (!has(PING_DATA_BYTES)) return fail('short');
      return ok({ kind: 'ping', data: body.subarray(1, 9) });
    case Type.pong:
      if (!has(PING_DATA_BYTES)) return fail('short');
      return ok({ kind: 'pong', data: body.subarray(1, 9), peerApiPort: has(10) ? u16(9) : 0 });
    case Type.disco:
      if (!has(DISCO_KEY_BYTES)) return fail('short');
      return ok({ kind: 'disco-key', key: body.subarray(1, 33) });
    case Type.reject: {
      if (!has(6)) return fail('short');
      const letter = String.fromCharCode(body[2] ?? 0);
      return ok({
        kind: 'reject',
        protocol: body[1] ?? 0,
        reason: Object.hasOwn(REASONS, letter) ? REASONS[letter as keyof typeof REASONS] : 'other',
        sourcePort: u16(3),
        destinationPort: u16(5),
        maybeBroken: ((body[7] ?? 0) & 1) === 1,
      });
    }
    default:
      return fail('unknown-type');
  }
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes in place of ${length}`);
  return bytes;
}
