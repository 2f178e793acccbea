/**
 * Cuts the body of a map stream into messages: a little-endian length and so many bytes, over and over.
 * What has come of a message is kept as it came and joined once, when it is whole: a map of many
 * megabytes that comes in small chunks costs one copy, and what a length only claims costs nothing.
 *
 * Source: docs/protocol/control.md §Map responses.
 */
import { concat } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';

export type GatherFault = 'empty' | 'too-long';

const LENGTH_BYTES = 4;

export class MessageGatherer {
  readonly #maxBytes: number;
  readonly #header = new Uint8Array(LENGTH_BYTES);
  #headerBytes = 0;
  /** Bytes of the message that have not come; only while its header is whole. */
  #missing = 0;
  #parts: Uint8Array[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes a chunk, which must not change afterwards, and gives the payloads that it completes, in order.
   * After a fault nothing that follows can be read.
   */
  push(chunk: Uint8Array): Result<readonly Uint8Array[], GatherFault> {
    const out: Uint8Array[] = [];
    for (let at = 0; at < chunk.length;) {
      if (this.#headerBytes < LENGTH_BYTES) {
        this.#header[this.#headerBytes++] = chunk[at++] ?? 0;
        if (this.#headerBytes < LENGTH_BYTES) continue;
        this.#missing = new DataView(this.#header.buffer).getUint32(0, true);
        if (this.#missing === 0) return fail('empty');
        if (this.#missing > this.#maxBytes) return fail('too-long');
        continue;
      }
      const part = chunk.subarray(at, at + this.#missing);
      this.#parts.push(part);
      at += part.length;
      this.#missing -= part.length;
      if (this.#missing > 0) continue;
      out.push(this.#parts.length === 1 ? part : concat(this.#parts));
      this.#parts = [];
      this.#headerBytes = 0;
    }
    return ok(out);
  }
}
