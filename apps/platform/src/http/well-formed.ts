/**
 * What a request's head must be like beyond what node:http makes sure of: one Host, a version that
 * is spoken here, and no framing that a proxy before us may have read in another way.
 *
 * Source: RFC 9112 §2.3, §3.2, §6.1. Observed: Node 26 takes all of these, and the first of two Hosts.
 */
import type { IncomingMessage } from 'node:http';
import type { RefusalStatus } from './refuse.ts';

export interface HeadFault {
  readonly status: RefusalStatus;
  readonly text: string;
}

/** Host and port as in RFC 3986 §3.2.2, of which only the characters are checked; may be empty. */
const HOST = /^[A-Za-z0-9._~!$&'()*+,;=%:[\]-]*$/;

/** What is wrong with a head that node:http has let through. */
export function headFault(request: IncomingMessage): HeadFault | undefined {
  const { httpVersion, headers } = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return { status: 505, text: 'of HTTP, versions 1.0 and 1.1 are spoken here\n' };
  }
  const hosts = hostsOf(request);
  const [host] = hosts;
  if (hosts.length > 1) return { status: 400, text: 'two Host headers\n' };
  if (host === undefined && httpVersion === '1.1') return { status: 400, text: 'no Host header\n' };
  if (host !== undefined && !HOST.test(host)) return { status: 400, text: 'bad Host header\n' };
  const encoding = headers['transfer-encoding'];
  if (encoding === undefined) return undefined;
  if (httpVersion === '1.0') {
    return { status: 400, text: 'HTTP/1.0 has no Transfer-Encoding\n' };
  }
  return encoding.toLowerCase() === 'chunked'
    ? undefined
    : { status: 501, text: 'of transfer encodings chunked alone is understood\n' };
}

/** Each Host as it came. `headersDistinct` would make lists of all headers for each request. */
function hostsOf({ rawHeaders }: IncomingMessage): readonly string[] {
  const hosts: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(rawHeaders[i + 1] ?? '');
  }
  return hosts;
}
