/**
 * Decodes header blocks (RFC 7541 §3 and §6). The dynamic table has the default bound, which needs no
 * setting: announcing zero would save about a kilobyte a connection, but some clients ignore it, and
 * their headers could then not be read (RFC 9113 §4.3.1 makes that the end of the connection).
 */
import { fail, ok, type Result } from '@malla/base/result';
import { DynamicTable } from './dynamic-table.ts';
import { fieldBytes, type Field } from './field.ts';
import { decodeHuffman } from './huffman.ts';
import { readInteger, type Cursor } from './integer.ts';
import { fromLatin1 } from './latin1.ts';
import { STATIC_TABLE } from './static-table.ts';

/** The dynamic table's size unless settings change it (RFC 9113 §6.5.2); we leave it. */
const TABLE_BYTES = 4096;

/** Why a block cannot be decoded; the connection's tables are lost with it. */
export type HpackFault = 'bad-integer' | 'bad-string' | 'bad-index' | 'bad-table-size';

/** The header list of one block. */
export interface DecodedHeaders {
  readonly fields: readonly Field[];
  /** Size as RFC 9113 §6.5.2 counts it. When larger than the bound, `fields` is cut short. */
  readonly listBytes: number;
}

/** One direction of a connection's header compression. After a fault it must not be used again. */
export class HpackDecoder {
  readonly #table = new DynamicTable(TABLE_BYTES);

  /** What the peer has made us remember, as RFC 7541 §4.1 counts it. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Decodes a complete block, collecting fields up to `maxListBytes`. Never throws. */
  decode(block: Uint8Array, maxListBytes: number): Result<DecodedHeaders, HpackFault> {
    const cursor = { bytes: block, at: 0 };
    while (((block[cursor.at] ?? 0) & 0xe0) === 0x20) {
      const size = readInteger(cursor, 5);
      if (size === undefined) return fail('bad-integer');
      if (size > TABLE_BYTES) return fail('bad-table-size');
      this.#table.resize(size);
    }
    const fields: Field[] = [];
    let listBytes = 0;
    while (cursor.at < block.length) {
      const field = this.#readField(cursor);
      if (typeof field === 'string') return fail(field);
      listBytes += fieldBytes(field);
      if (listBytes <= maxListBytes) fields.push(field);
    }
    return ok({ fields, listBytes });
  }

  #readField(cursor: Cursor): Field | HpackFault {
    const first = cursor.bytes[cursor.at] ?? 0;
    if (first >= 0x80) return this.#readIndexed(cursor, 7);
    if (first >= 0x40) {
      const field = this.#readLiteral(cursor, 6);
      if (typeof field !== 'string') this.#table.add(field);
      return field;
    }
    // Only at the beginning of a block (RFC 7541 §4.2).
    if (first >= 0x20) return 'bad-table-size';
    return this.#readLiteral(cursor, 4);
  }

  #readIndexed(cursor: Cursor, prefixBits: number): Field | HpackFault {
    const index = readInteger(cursor, prefixBits);
    if (index === undefined) return 'bad-integer';
    const field =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#table.get(index - STATIC_TABLE.length - 1);
    return field ?? 'bad-index';
  }

  #readLiteral(cursor: Cursor, prefixBits: number): Field | HpackFault {
    const hasName = ((cursor.bytes[cursor.at] ?? 0) & ((1 << prefixBits) - 1)) !== 0;
    let name: string | undefined;
    if (hasName) {
      const named = this.#readIndexed(cursor, prefixBits);
      if (typeof named === 'string') return named;
      name = named[0];
    } else {
      cursor.at++;
      name = readString(cursor);
    }
    const value = readString(cursor);
    return name === undefined || value === undefined ? 'bad-string' : [name, value];
  }
}

function readString(cursor: Cursor): string | undefined {
  const huffman = (cursor.bytes[cursor.at] ?? 0) >= 0x80;
  const length = readInteger(cursor, 7);
  if (length === undefined || length > cursor.bytes.length - cursor.at) return undefined;
  const coded = cursor.bytes.subarray(cursor.at, (cursor.at += length));
  const text = huffman ? decodeHuffman(coded) : coded;
  return text && fromLatin1(text);
}
