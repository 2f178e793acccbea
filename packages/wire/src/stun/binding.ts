/**
 * STUN binding: the one question a node asks a relay over UDP, "from which address do you see me?".
 *
 *     offset  size  field
 *          0     2  type              0001 request, 0101 success response
 *          2     2  length            of the attributes, without this header
 *          4     4  magic cookie      2112a442
 *          8    12  transaction id
 *         20     -  attributes: type 2, length 2, value, zero padding to a multiple of 4
 *
 * A node's request has exactly SOFTWARE `tailnode` and FINGERPRINT, 40 bytes in all, and the reference
 * server ignores any other. Ours answers every valid request, as RFC 8489 servers do, and reports
 * which kind it was. A response carries XOR-MAPPED-ADDRESS only.
 *
 * Source: docs/protocol/stun.md; RFC 8489 §5, §14.2, §14.7. Integers are big-endian.
 */
import { utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { type Address, addressBytes, addressFromBytes, unmap } from '@malla/ip/address';
import { crc32 } from './crc32.ts';

export const TX_ID_BYTES = 12;

/** A transaction id: chosen at random by the asker, echoed by the server. 12 bytes. */
export type TxId = Uint8Array;

export interface BindingRequest {
  readonly txId: TxId;
  /** Whether it is what a Tailscale node sends: SOFTWARE `tailnode`, a correct FINGERPRINT last. */
  readonly strict: boolean;
}

export interface BindingResponse {
  readonly txId: TxId;
  /** The asker's address as the server saw it; never IPv4-mapped. */
  readonly address: Address;
  readonly port: number;
}

export type StunFault = 'short' | 'not-stun' | 'not-binding' | 'bad-attribute' | 'no-address';

const HEADER_BYTES = 20;
const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const MAPPED_ADDRESS = 0x0001;
const XOR_MAPPED_ADDRESS = 0x0020;
/** XOR-MAPPED-ADDRESS as drafts numbered it; some servers still do. */
const XOR_MAPPED_ADDRESS_DRAFT = 0x8020;
const SOFTWARE = 0x8022;
const FINGERPRINT = 0x8028;
const FINGERPRINT_XOR = 0x5354554e;
const FINGERPRINT_BYTES = 8;
const TAILNODE = utf8('tailnode');
const REQUEST_BYTES = HEADER_BYTES + 4 + TAILNODE.length + FINGERPRINT_BYTES;

/** Whether a datagram can only be STUN, for telling protocols on one UDP socket apart. */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return (
    bytes.length >= HEADER_BYTES && (bytes[0] ?? 0) < 4 && viewOf(bytes).getUint32(4) === COOKIE
  );
}

/** The 40-byte request that the reference server answers. */
export function encodeBindingRequest(txId: TxId): Uint8Array {
  const out = header(BINDING_REQUEST, REQUEST_BYTES - HEADER_BYTES, txId);
  const view = viewOf(out);
  view.setUint16(HEADER_BYTES, SOFTWARE);
  view.setUint16(HEADER_BYTES + 2, TAILNODE.length);
  out.set(TAILNODE, HEADER_BYTES + 4);
  const fingerprintAt = REQUEST_BYTES - FINGERPRINT_BYTES;
  view.setUint16(fingerprintAt, FINGERPRINT);
  view.setUint16(fingerprintAt + 2, 4);
  view.setUint32(fingerprintAt + 4, crc32(out.subarray(0, fingerprintAt)) ^ FINGERPRINT_XOR);
  return out;
}

/**
 * Reads a request from anybody. Attributes we do not know are ignored; a wrong FINGERPRINT is a fault,
 * an absent one is not. Bytes after the message are ignored. Never throws.
 */
export function decodeBindingRequest(bytes: Uint8Array): Result<BindingRequest, StunFault> {
  const message = readHeader(bytes, BINDING_REQUEST);
  if (!message.ok) return message;
  const { txId, end } = message.value;
  let tailnode = false;
  let last = 0;
  const walked = eachAttribute(bytes, end, (type, at, length) => {
    last = type;
    if (type === SOFTWARE) {
      tailnode = length === TAILNODE.length && TAILNODE.every((byte, i) => bytes[at + i] === byte);
    } else if (type === FINGERPRINT) {
      return length === 4 && fingerprintFits(bytes, at);
    }
    return true;
  });
  return walked ? ok({ txId, strict: tailnode && last === FINGERPRINT }) : fail('bad-attribute');
}

/** The response to a request that came from `address` and `port`; unmaps an IPv4-mapped address. */
export function encodeBindingResponse(txId: TxId, address: Address, port: number): Uint8Array {
  const plain = unmap(address);
  const raw = addressBytes(plain);
  const out = header(BINDING_SUCCESS, 8 + raw.length, txId);
  const view = viewOf(out);
  view.setUint16(HEADER_BYTES, XOR_MAPPED_ADDRESS);
  view.setUint16(HEADER_BYTES + 2, 4 + raw.length);
  out[HEADER_BYTES + 5] = plain.family === 4 ? 1 : 2;
  view.setUint16(HEADER_BYTES + 6, port ^ (COOKIE >>> 16));
  for (let i = 0; i < raw.length; i++) {
    out[HEADER_BYTES + 8 + i] = (raw[i] ?? 0) ^ (out[4 + i] ?? 0); // the cookie, then the id
  }
  return out;
}

/**
 * Reads a success response. A XOR-MAPPED-ADDRESS, of either number, is preferred to MAPPED-ADDRESS;
 * unknown attributes and bytes after the message are ignored. Never throws.
 */
export function decodeBindingResponse(bytes: Uint8Array): Result<BindingResponse, StunFault> {
  const message = readHeader(bytes, BINDING_SUCCESS);
  if (!message.ok) return message;
  const { txId, end } = message.value;
  let mapped: { address: Address; port: number } | undefined;
  let xorMapped: { address: Address; port: number } | undefined;
  const walked = eachAttribute(bytes, end, (type, at, length) => {
    if (type === XOR_MAPPED_ADDRESS || type === XOR_MAPPED_ADDRESS_DRAFT) {
      xorMapped ??= readAddress(bytes, at, length, true);
      return xorMapped !== undefined;
    }
    if (type === MAPPED_ADDRESS) {
      mapped ??= readAddress(bytes, at, length, false);
      return mapped !== undefined;
    }
    return true;
  });
  if (!walked) return fail('bad-attribute');
  const found = xorMapped ?? mapped;
  return found === undefined ? fail('no-address') : ok({ txId, ...found });
}

function header(type: number, attributeBytes: number, txId: TxId): Uint8Array {
  if (txId.length !== TX_ID_BYTES) throw new RangeError(`a transaction id has 12 bytes`);
  const out = new Uint8Array(HEADER_BYTES + attributeBytes);
  const view = viewOf(out);
  view.setUint16(0, type);
  view.setUint16(2, attributeBytes);
  view.setUint32(4, COOKIE);
  out.set(txId, 8);
  return out;
}

function readHeader(
  bytes: Uint8Array,
  type: number,
): Result<{ readonly txId: TxId; readonly end: number }, StunFault> {
  if (bytes.length < HEADER_BYTES) return fail('short');
  const view = viewOf(bytes);
  if (view.getUint32(4) !== COOKIE) return fail('not-stun');
  if (view.getUint16(0) !== type) return fail('not-binding');
  const end = HEADER_BYTES + view.getUint16(2);
  if (end > bytes.length) return fail('short');
  return ok({ txId: new Uint8Array(bytes.subarray(8, HEADER_BYTES)), end });
}

/** Calls `visit` with each attribute's value; false where it says so or the layout is broken. */
function eachAttribute(
  bytes: Uint8Array,
  end: number,
  visit: (type: number, at: number, length: number) => boolean,
): boolean {
  const view = viewOf(bytes);
  let at = HEADER_BYTES;
  while (at < end) {
    if (at + 4 > end) return false;
    const length = view.getUint16(at + 2);
    if (at + 4 + length > end) return false;
    if (!visit(view.getUint16(at), at + 4, length)) return false;
    at += 4 + length + (-length & 3);
  }
  return true;
}

function fingerprintFits(bytes: Uint8Array, at: number): boolean {
  const sum = crc32(bytes.subarray(0, at - 4)) ^ FINGERPRINT_XOR;
  return viewOf(bytes).getUint32(at) === sum >>> 0;
}

function readAddress(
  bytes: Uint8Array,
  at: number,
  length: number,
  xored: boolean,
): { address: Address; port: number } | undefined {
  const family = bytes[at + 1];
  const size = family === 1 ? 4 : family === 2 ? 16 : 0;
  if (size === 0 || length < 4 + size) return undefined;
  const raw = new Uint8Array(bytes.subarray(at + 4, at + 4 + size));
  let port = viewOf(bytes).getUint16(at + 2);
  if (xored) {
    port ^= COOKIE >>> 16;
    for (let i = 0; i < size; i++) raw[i] = (raw[i] ?? 0) ^ (bytes[4 + i] ?? 0);
  }
  const address = addressFromBytes(raw);
  return address.ok ? { address: unmap(address.value), port } : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
