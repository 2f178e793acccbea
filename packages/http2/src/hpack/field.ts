/** Header fields as HPACK carries them: octets, each a character from U+0000 to U+00FF. */

/** A header field: name, value. */
export type Field = readonly [name: string, value: string];

/** What each field counts on top of its name and value (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;

/** A field's size in a table or a header list. */
export function fieldBytes(field: Field): number {
  return field[0].length + field[1].length + FIELD_OVERHEAD_BYTES;
}
