/** SHA-256 on node:crypto. */
import { hash } from 'node:crypto';

/** Of a text's UTF-8, in base64url without padding. */
export function nodeSha256(text: string): string {
  return hash('sha256', text, 'base64url');
}
