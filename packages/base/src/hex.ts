/**
 * Lowercase hex, the text form of every key in these protocols. By the functions of ECMAScript 2026 where
 * there are any: Node 22 and 24 and browsers of before 2025 have none.
 */
import { fail, ok, type Result } from './result.ts';

/** Encodes as lowercase hex, two characters a byte. */
export const toHex: (bytes: Uint8Array) => string =
  'toHex' in Uint8Array.prototype ? (bytes) => bytes.toHex() : plainToHex;

const decode: (text: string) => Uint8Array =
  'fromHex' in Uint8Array ? (text) => Uint8Array.fromHex(text) : plainFromHex;

/** Decodes upper- or lowercase hex of an even length. Never throws. */
export function fromHex(text: string): Result<Uint8Array, 'not-hex'> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return fail('not-hex');
  return ok(decode(text));
}

/** {@link toHex} anywhere. */
export function plainToHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += (byte < 16 ? '0' : '') + byte.toString(16);
  return text;
}

/** The bytes of what is known to be hex, anywhere. */
export function plainFromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  );
}
