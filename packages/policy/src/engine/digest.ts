/**
 * Short names made of texts: the same for the same text, on every machine. In plain JavaScript, which is
 * slow where there are thousands of classes: whoever has something better gives it to the engine.
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { utf8 } from '@malla/base/bytes';
import type { Sha256Text } from '../contract.ts';

/** The SHA-256 of a text's UTF-8. */
export const plainSha256: Sha256Text = (text) => {
  const base64 = btoa(String.fromCharCode(...nobleSha256(utf8(text))));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
};
