/**
 * Numbers as WireGuard has them on the wire, little-endian, read and written without making anything. An
 * index has 32 bits and a sign everywhere in this package: V8 keeps such numbers without memory of their own.
 */

/** 32 bits, with a sign. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** 32 bits, of a number with a sign or without. */
export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** 64 bits without a sign; beyond 2^53 not exact, but never less than that. */
export function readUint64(bytes: Uint8Array, at: number): number {
  return (readInt32(bytes, at) >>> 0) + (readInt32(bytes, at + 4) >>> 0) * 2 ** 32;
}

/** 64 bits of a number below 2^53. */
export function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, value);
  writeInt32(bytes, at + 4, Math.floor(value / 2 ** 32));
}
