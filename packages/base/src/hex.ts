/** Lowercase hex, the text form of every key in these protocols. */
import { fail, ok, type Result } from './result.ts';

/** Encodes as lowercase hex, two characters a byte. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Decodes upper- or lowercase hex of an even length. Never throws. */
export function fromHex(text: string): Result<Uint8Array, 'not-hex'> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return fail('not-hex');
  return ok(Uint8Array.fromHex(text));
}
