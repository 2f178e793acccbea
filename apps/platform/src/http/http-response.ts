/**
 * Reads one HTTP/1.1 response out of its bytes: those in which a client posts it back (c2n), and those that
 * a server writes until it closes. Chunks are not read: nobody who is asked like this sends them.
 *
 * Source: RFC 9112 §§4-6. Observed: client 1.102 gives the body a Content-Length or lets it run to the end.
 */
import { fromUtf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; fields of one name are joined by commas. */
  readonly headers: Record<string, string>;
  /** As UTF-8. */
  readonly body: string;
}

const MAX_HEADER_BYTES = 64 * 1024;

/** Reads a whole response. Never throws. */
export function decodeHttpResponse(bytes: Uint8Array): Result<HttpResponse, 'not-http'> {
  const end = headerEnd(bytes);
  if (end === undefined) return fail('not-http');
  const [statusLine = '', ...lines] = fromUtf8(bytes.subarray(0, end)).split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return fail('not-http');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return fail('not-http');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return ok({
    status: Number(status),
    headers: Object.fromEntries(headers),
    body: fromUtf8(bytes.subarray(end + 4)),
  });
}

/** Where the empty line begins that ends the header. */
function headerEnd(bytes: Uint8Array): number | undefined {
  const last = Math.min(bytes.length - 4, MAX_HEADER_BYTES);
  for (let at = 0; at <= last; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      return at;
    }
  }
  return undefined;
}
