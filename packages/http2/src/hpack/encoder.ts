/**
 * Encodes response headers (RFC 7541 §6): static table and plain literals only. Without a dynamic table
 * encoding keeps no state, and a response of ours has three or four short fields.
 */
import { ByteBuffer } from '../byte-buffer.ts';
import type { Field } from './field.ts';
import { writeInteger } from './integer.ts';
import { toLatin1 } from './latin1.ts';
import { STATIC_TABLE } from './static-table.ts';

const INDEX_OF_FIELD = new Map(
  STATIC_TABLE.map(([name, value], i) => [`${name}\n${value}`, i + 1]),
);
const INDEX_OF_NAME = new Map(STATIC_TABLE.map(([name], i) => [name, i + 1]));

/**
 * Encodes one header block. The `first` of a connection also says that our table has size zero, so that
 * no later reduction of the peer's table setting needs an answer (RFC 9113 §4.3.1).
 */
export function encodeHeaders(fields: readonly Field[], first: boolean): Uint8Array {
  const out = new ByteBuffer();
  if (first) writeInteger(out, 5, 0x20, 0);
  for (const [name, value] of fields) {
    const index = INDEX_OF_FIELD.get(`${name}\n${value}`);
    if (index !== undefined) {
      writeInteger(out, 7, 0x80, index);
      continue;
    }
    const nameIndex = INDEX_OF_NAME.get(name) ?? 0;
    writeInteger(out, 4, 0, nameIndex);
    if (nameIndex === 0) writeString(out, name);
    writeString(out, value);
  }
  return out.take();
}

function writeString(out: ByteBuffer, text: string): void {
  const bytes = toLatin1(text);
  writeInteger(out, 7, 0, bytes.length);
  out.append(bytes);
}
