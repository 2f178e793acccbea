/** Strings of HPACK are bytes, of which each is one character here: ISO 8859-1, which `TextDecoder` does not have. */

/** Arguments of one call; a function takes a limited number of them. */
const CHUNK = 4096;

/** A character for each byte. */
export function fromLatin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode(...bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return text;
}

/** A byte for each UTF-16 unit: its lower half. */
export function toLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
