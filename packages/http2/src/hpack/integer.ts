/**
 * Integers of HPACK (RFC 7541 §5.1): in the low bits of one byte if they fit, else those bits all ones
 * and the rest in groups of seven bits, low first.
 */
import type { ByteBuffer } from '../byte-buffer.ts';

/** A header block and how far it is read. */
export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** No length or index needs more bits; longer forms are refused. */
const LAST_SHIFT = 21;

/** Reads an integer; undefined when it is cut off or over-long (RFC 7541 §5.1 allows the limit). */
export function readInteger(cursor: Cursor, prefixBits: number): number | undefined {
  const mask = (1 << prefixBits) - 1;
  const first = cursor.bytes[cursor.at++];
  if (first === undefined) return undefined;
  let value = first & mask;
  if (value < mask) return value;
  for (let shift = 0; shift <= LAST_SHIFT; shift += 7) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return undefined;
}

/** Writes an integer behind the bits of `pattern`, which lie above the prefix. */
export function writeInteger(
  out: ByteBuffer,
  prefixBits: number,
  pattern: number,
  value: number,
): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return out.u8(pattern | value);
  out.u8(pattern | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out.u8(0x80 | (rest & 0x7f));
  out.u8(rest);
}
