/**
 * What the tunnel looks at in an IP packet: its version, its length and its addresses. Nothing is made for
 * that: a family of 0 says that it is none.
 *
 * Source: RFC 791 §3.1, RFC 8200 §3.
 */

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

/** The family of the packet at `at`; 0 where `length` bytes hold no header of either. */
export function familyOfPacket(bytes: Uint8Array, at: number, length: number): 4 | 6 | 0 {
  const version = (bytes[at] ?? 0) >> 4;
  if (version === 4 && length >= IPV4_HEADER_BYTES) return 4;
  return version === 6 && length >= IPV6_HEADER_BYTES ? 6 : 0;
}

/** The length that the header states, which leaves out padding. It may be anything. */
export function statedLength(family: 4 | 6, bytes: Uint8Array, at: number): number {
  if (family === 4) return ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return IPV6_HEADER_BYTES + (((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0));
}

/** Least that a header can state. */
export function headerBytes(family: 4 | 6): number {
  return family === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}

/** Where the source address is. */
export function sourceAt(family: 4 | 6, at: number): number {
  return family === 4 ? at + 12 : at + 8;
}

/** Where the destination address is. */
export function destinationAt(family: 4 | 6, at: number): number {
  return family === 4 ? at + 16 : at + 24;
}
