/**
 * The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B), decoding only: our own responses are too
 * short to gain from it. The code is canonical, so the lengths of the codes say everything: codes of one
 * length are consecutive numbers in the order of their symbols.
 */

const EOS = 256;
const LONGEST = 30;

/** Bits of the code of each byte, 0 to 255, and of EOS. */
// oxfmt-ignore
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** By code length: the first code, and where its symbol is among all symbols sorted by code. */
const FIRST_CODE = new Int32Array(LONGEST + 1);
const FIRST_INDEX = new Int32Array(LONGEST + 2);
const SYMBOLS = Int16Array.from(CODE_BITS.keys()).toSorted(
  (a, b) => (CODE_BITS[a] ?? 0) - (CODE_BITS[b] ?? 0) || a - b,
);
for (let bits = 1, code = 0; bits <= LONGEST; bits++) {
  const count = CODE_BITS.filter((length) => length === bits).length;
  FIRST_CODE[bits] = code;
  FIRST_INDEX[bits + 1] = (FIRST_INDEX[bits] ?? 0) + count;
  code = (code + count) << 1;
}

/** Decodes a Huffman-coded string; undefined when it is not one (RFC 7541 §5.2). Never throws. */
export function decodeHuffman(coded: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(Math.floor((coded.length * 8) / 5)); // the shortest codes have 5 bits
  let length = 0;
  let code = 0;
  let bits = 0;
  for (const byte of coded) {
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      code = (code << 1) | ((byte & mask) === 0 ? 0 : 1);
      bits++;
      const index = (FIRST_INDEX[bits] ?? 0) + code - (FIRST_CODE[bits] ?? 0);
      if (index >= (FIRST_INDEX[bits + 1] ?? 0)) continue;
      const symbol = SYMBOLS[index] ?? EOS;
      if (symbol === EOS) return undefined;
      out[length++] = symbol;
      code = 0;
      bits = 0;
    }
  }
  // Padding is the beginning of EOS, all ones, and shorter than a byte.
  return bits < 8 && code === (1 << bits) - 1 ? out.subarray(0, length) : undefined;
}
