/**
 * The header in front of packets through a peer relay: Geneve without options.
 *
 *     offset  size  field
 *          0     1  version and option length, 0
 *          1     1  80: control, on messages that bind; else 0
 *          2     2  protocol: 7a11 disco, 7a12 WireGuard
 *          4     4  VNI, shifted left by 8
 *
 * Source: docs/protocol/disco.md §5; RFC 8926 §3.4. Integers are big-endian.
 */
import { fail, ok, type Result } from '@malla/base/result';

export const GENEVE_HEADER_BYTES = 8;

export interface GeneveHeader {
  readonly protocol: 'disco' | 'wireguard';
  readonly isControl: boolean;
  /** 0 to 2^24 - 1. */
  readonly vni: number;
}

const PROTOCOLS = { disco: 0x7a11, wireguard: 0x7a12 } as const;
const CONTROL = 0x80;

/** Whether it can only have such a header, for telling protocols on one UDP socket apart. */
export function looksLikeGeneve(bytes: Uint8Array): boolean {
  return bytes.length >= GENEVE_HEADER_BYTES && bytes[0] === 0 && bytes[2] === 0x7a;
}

/** The 8 bytes of a header. Throws on a VNI out of range: that is our own bug. */
export function encodeGeneve({ protocol, isControl, vni }: GeneveHeader): Uint8Array {
  if (!Number.isInteger(vni) || vni < 0 || vni > 0xffffff) throw new RangeError(`VNI ${vni}`);
  const out = new Uint8Array(GENEVE_HEADER_BYTES);
  const view = new DataView(out.buffer);
  out[1] = isControl ? CONTROL : 0;
  view.setUint16(2, PROTOCOLS[protocol]);
  view.setUint32(4, vni * 256);
  return out;
}

/** Reads a header; one with options or of another protocol is a fault. Never throws. */
export function decodeGeneve(bytes: Uint8Array): Result<GeneveHeader, 'short' | 'not-geneve'> {
  if (bytes.length < GENEVE_HEADER_BYTES) return fail('short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const protocol = view.getUint16(2);
  if (bytes[0] !== 0) return fail('not-geneve');
  if (protocol !== PROTOCOLS.disco && protocol !== PROTOCOLS.wireguard) return fail('not-geneve');
  return ok({
    protocol: protocol === PROTOCOLS.disco ? 'disco' : 'wireguard',
    isControl: (view.getUint8(1) & CONTROL) !== 0,
    vni: view.getUint32(4) >>> 8,
  });
}
