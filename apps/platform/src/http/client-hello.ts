/**
 * What the first bytes of a connection are that is to speak TLS: a whole ClientHello, the beginning of
 * one, a request in plain HTTP that came to the wrong port, or neither. The server's answer to a ClientHello
 * costs it a signature, so it is given only when all of it is there and its turn has come.
 *
 * Source: RFC 8446 §5.1 (records) and §4 (handshake messages, which may lie in several records).
 */

export type FirstBytes = 'hello' | 'partial' | 'http' | 'other';

/** Longest ClientHello that is waited for; those of browsers have up to 2 KiB. */
export const MAX_HELLO_BYTES = 16 * 1024;

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAX_RECORD_BYTES = 1 << 14;

/** Judges all that has come so far. */
export function firstBytes(bytes: Uint8Array): FirstBytes {
  const [type, major] = bytes;
  if (type === undefined) return 'partial';
  if (type !== HANDSHAKE_RECORD) return isLetter(type) ? 'http' : 'other';
  if (major !== undefined && major !== 3) return 'other';
  if (bytes.length > MAX_HELLO_BYTES) return 'other';
  return helloIsWhole(bytes);
}

/** Adds up the records that the message lies in. */
function helloIsWhole(bytes: Uint8Array): FirstBytes {
  let at = 0;
  let gathered = 0;
  let wanted = MESSAGE_HEADER_BYTES;
  const header: number[] = [];
  while (at + RECORD_HEADER_BYTES <= bytes.length) {
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
    if (bytes[at] !== HANDSHAKE_RECORD || length === 0 || length > MAX_RECORD_BYTES) return 'other';
    const body = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    for (const byte of body.subarray(0, MESSAGE_HEADER_BYTES - header.length)) header.push(byte);
    const [message, high = 0, middle = 0, low = 0] = header;
    if (message !== undefined && message !== CLIENT_HELLO) return 'other';
    if (header.length === MESSAGE_HEADER_BYTES) {
      wanted = MESSAGE_HEADER_BYTES + ((high << 16) | (middle << 8) | low);
      if (wanted > MAX_HELLO_BYTES) return 'other';
    }
    gathered += body.length;
    if (gathered >= wanted && header.length === MESSAGE_HEADER_BYTES) return 'hello';
    at += RECORD_HEADER_BYTES + length;
  }
  return 'partial';
}

/** Methods of HTTP begin with one. */
function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}
