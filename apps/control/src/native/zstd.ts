/**
 * zstd at level 1, of a text into one complete frame: smaller and faster than level 3 on peers' JSON
 * (docs/performance.md). What they return is memory of its own and exactly as long as needed, since the
 * fan-out keeps it: node:zlib returns a view into 16 KiB or more.
 *
 * Source: RFC 8878; zstd's manual, "Explicit context".
 */
import zlib from 'node:zlib';
import type { Compress } from '../fanout/message.ts';
import { openProcess } from './process-library.ts';

const LEVEL = 1;
const OPTIONS = { params: { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL } };

/** On node:zlib, which makes a context for each call: 30 µs of the 39 that 600 bytes take. */
export const nodeCompress: Compress = (text) =>
  new Uint8Array(zlib.zstdCompressSync(text, OPTIONS));

/** Longest input that goes through the arena, bytes. On longer ones the context is not what costs. */
const MAX_INPUT_BYTES = 128 << 10;
/** ZSTD_COMPRESSBOUND of that. */
const MAX_OUTPUT_BYTES = MAX_INPUT_BYTES + (MAX_INPUT_BYTES >> 8);

const P = 'pointer';
const DEFINITIONS = {
  ZSTD_createCCtx: { return: P, arguments: [] },
  /** (context, out, out capacity, in, in length, level), an error as a small negative number. */
  ZSTD_compressCCtx: { return: 'i32', arguments: [P, P, P, P, P, P] },
} as const;

const encoder = new TextEncoder();

/**
 * On one context and a fixed arena, where the text is written in UTF-8: to be kept as long as the
 * process. Throws an Error that says why it cannot.
 */
export function createFfiCompress(): Compress {
  const { functions, arena } = openProcess(DEFINITIONS, MAX_INPUT_BYTES + MAX_OUTPUT_BYTES);
  const context = functions.ZSTD_createCCtx();
  if (context === 0n) throw new Error('no memory for zstd');
  const outputAt = arena.address + BigInt(MAX_INPUT_BYTES);
  const capacity = BigInt(MAX_OUTPUT_BYTES);
  const level = BigInt(LEVEL);
  const input = arena.bytes.subarray(0, MAX_INPUT_BYTES);
  return (text) => {
    const { read, written } = encoder.encodeInto(text, input);
    if (read < text.length) return nodeCompress(text);
    const length = functions.ZSTD_compressCCtx(
      context,
      outputAt,
      capacity,
      arena.address,
      BigInt(written),
      level,
    );
    if (length <= 0) throw new Error(`zstd failed: ${length}`);
    return arena.bytes.slice(MAX_INPUT_BYTES, MAX_INPUT_BYTES + length);
  };
}
