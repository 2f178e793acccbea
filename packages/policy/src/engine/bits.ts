/**
 * Sets of small numbers as words of 32 bits. Two sets may differ in length: what is beyond the end of
 * one is not in it.
 *
 * An array of integers of 32 bits and not a typed array: those live outside the heap, and there are
 * tens of thousands of these.
 */
export type Bits = number[];

/** The empty set, with room for numbers below `size`. */
export function emptyBits(size: number): Bits {
  const bits: Bits = [];
  for (let words = (size + 31) >>> 5; words > 0; words--) bits.push(0);
  return bits;
}

/** Adds a number for which there must be room. */
export function setBit(bits: Bits, index: number): void {
  bits[index >>> 5] = (bits[index >>> 5] ?? 0) | (1 << (index & 31));
}

/** Adds a number, and makes room for it. */
export function growBit(bits: Bits, index: number): void {
  while (bits.length <= index >>> 5) bits.push(0);
  setBit(bits, index);
}

/** Takes a number out of the set, in which it is. */
export function dropBit(bits: Bits, index: number): void {
  bits[index >>> 5] = (bits[index >>> 5] ?? 0) & ~(1 << (index & 31));
}

/** Whether a number is in the set. */
export function hasBit(bits: Bits, index: number): boolean {
  return (((bits[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
}

/** A set of numbers below `size`. */
export function bitsOf(indices: readonly number[], size: number): Bits {
  const bits = emptyBits(size);
  for (const index of indices) setBit(bits, index);
  return bits;
}

/** Whether two sets have a number in common. */
export function intersects(a: Bits, b: Bits): boolean {
  const words = Math.min(a.length, b.length);
  for (let i = 0; i < words; i++) if (((a[i] ?? 0) & (b[i] ?? 0)) !== 0) return true;
  return false;
}

/** Adds to `into`, which must have room, what is in `from`. */
export function addBits(into: Bits, from: Bits): void {
  const words = Math.min(into.length, from.length);
  for (let i = 0; i < words; i++) into[i] = (into[i] ?? 0) | (from[i] ?? 0);
}

/** What is in `bits` and not in `mask`, plus what is in `added`; as long as the longer of `bits` and `added`. */
export function replaceBits(bits: Bits, mask: Bits, added: Bits): Bits {
  const out: Bits = [];
  const words = Math.max(bits.length, added.length);
  for (let i = 0; i < words; i++) {
    out.push(((bits[i] ?? 0) & ~(mask[i] ?? 0)) | (added[i] ?? 0));
  }
  return out;
}

/** What is in both. */
export function commonBits(a: Bits, b: Bits): Bits {
  const out: Bits = [];
  const words = Math.min(a.length, b.length);
  for (let i = 0; i < words; i++) out.push((a[i] ?? 0) & (b[i] ?? 0));
  return out;
}

/** What is in either. */
export function joinBits(a: Bits, b: Bits): Bits {
  const out: Bits = [];
  const words = Math.max(a.length, b.length);
  for (let i = 0; i < words; i++) out.push((a[i] ?? 0) | (b[i] ?? 0));
  return out;
}

/** Whether both hold the same numbers. */
export function equalBits(a: Bits, b: Bits): boolean {
  const words = Math.max(a.length, b.length);
  for (let i = 0; i < words; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return false;
  return true;
}

/** Calls with every number that is in exactly one of the two sets, rising. */
export function eachDifference(a: Bits, b: Bits, visit: (index: number) => void): void {
  const words = Math.max(a.length, b.length);
  for (let i = 0; i < words; i++) eachOfWord((a[i] ?? 0) ^ (b[i] ?? 0), i, visit);
}

/** Calls with every number of the set, rising. */
export function eachBit(bits: Bits, visit: (index: number) => void): void {
  for (let i = 0; i < bits.length; i++) eachOfWord(bits[i] ?? 0, i, visit);
}

function eachOfWord(word: number, at: number, visit: (index: number) => void): void {
  for (let rest = word; rest !== 0; rest &= rest - 1) {
    visit(at * 32 + 31 - Math.clz32(rest & -rest));
  }
}

/** A text that is the same exactly for sets with the same numbers. */
export function bitsText(bits: Bits): string {
  let last = bits.length;
  while (last > 0 && bits[last - 1] === 0) last--;
  let text = '';
  for (let i = 0; i < last; i++) {
    const word = bits[i] ?? 0;
    text += String.fromCharCode(word & 0xffff, word >>> 16);
  }
  return text;
}
