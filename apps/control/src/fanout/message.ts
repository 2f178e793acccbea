/**
 * Map messages on the wire: a little-endian length and a payload that is one JSON text, plain or zstd.
 * A zstd payload may be several frames one after the other, which clients decode as one: so the
 * compressed form of a block of peers is made once and sent to everyone who may see it.
 *
 * Source: docs/protocol/control.md §Map responses. Observed: clients 1.80 and 1.102 decode several
 * frames in one message.
 */
import { utf8 } from '@malla/base/bytes';

/** Compresses the UTF-8 of a text into one complete zstd frame. */
export type Compress = (text: string) => Uint8Array;

/** How a client asked to be answered. */
export type Encoding = 'zstd' | 'plain';

/** A piece of a message in both encodings, each made when first asked for. */
export class Piece {
  #text: string | undefined;
  #plain: Uint8Array | undefined;
  #zstd: Uint8Array | undefined;
  readonly #compress: Compress;

  constructor(text: string, compress: Compress) {
    this.#text = text;
    this.#compress = compress;
  }

  bytes(encoding: Encoding): Uint8Array {
    if (encoding === 'plain') {
      this.#plain ??= utf8(this.#text ?? '');
      return this.#plain;
    }
    this.#zstd ??= this.#compress(this.#text ?? '');
    return this.#zstd;
  }
}

/** The message that consists of these pieces: its length first, then the pieces uncopied. */
export function frame(pieces: readonly Piece[], encoding: Encoding): Uint8Array[] {
  const out: Uint8Array[] = [new Uint8Array(4)];
  let length = 0;
  for (const piece of pieces) {
    const bytes = piece.bytes(encoding);
    length += bytes.length;
    out.push(bytes);
  }
  const header = out[0] ?? new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, length, true);
  return out;
}

/** A whole message in one buffer per encoding, for the many who get the same. */
export class Message {
  readonly #piece: Piece;
  #zstd: Uint8Array | undefined;
  #plain: Uint8Array | undefined;

  constructor(json: string, compress: Compress) {
    this.#piece = new Piece(json, compress);
  }

  bytes(encoding: Encoding): Uint8Array {
    if (encoding === 'zstd') return (this.#zstd ??= this.#join('zstd'));
    return (this.#plain ??= this.#join('plain'));
  }

  #join(encoding: Encoding): Uint8Array {
    const body = this.#piece.bytes(encoding);
    const out = new Uint8Array(4 + body.length);
    new DataView(out.buffer).setUint32(0, body.length, true);
    out.set(body, 4);
    return out;
  }
}
