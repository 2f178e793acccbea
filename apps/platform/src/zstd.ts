/** Undoing the compression of the control protocol. */
import { zstdDecompressSync } from 'node:zlib';

/** Decodes one or more zstd frames in a row. Node does so by itself from 26 on, and before only the first. */
export function decompressFrames(frames: Uint8Array, maxOutputLength = 1 << 30): Buffer {
  const parts: Buffer[] = [];
  let rest = frames;
  do {
    // What zlib's `info` gives besides the result, where types know only the result.
    const { buffer, engine } = zstdDecompressSync(rest, {
      info: true,
      maxOutputLength,
    }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    parts.push(buffer);
    rest = rest.subarray(engine.bytesWritten);
  } while (rest.length > 0);
  return Buffer.concat(parts);
}

/** The same of a peer's bytes: undefined where they are wrong, or would have more than `maxBytes`. */
export function zstd(payload: Uint8Array, maxBytes: number): Uint8Array | undefined {
  try {
    return decompressFrames(payload, maxBytes);
  } catch {
    return undefined;
  }
}
