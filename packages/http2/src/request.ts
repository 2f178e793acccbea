/**
 * What makes header fields an HTTP request (RFC 9113 §8.2 and §8.3). A server that is lenient here lets
 * two parties read one request in two ways, so everything malformed is refused.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Field } from './hpack/field.ts';

/** A request without its body. Field names are lower-case, values Latin-1, one entry per field line. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as sent: begins with `/`, or is `*`. Empty for CONNECT only. */
  readonly path: string;
  /** The `:authority` or else `host`; empty if the client gave neither. */
  readonly authority: string;
  /** Without pseudo headers. */
  readonly headers: readonly Field[];
  readonly contentLength: number | undefined;
  /** Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
}

export type RequestFault =
  | 'bad-name'
  | 'bad-value'
  | 'bad-pseudo-header'
  | 'bad-method'
  | 'bad-path'
  | 'bad-scheme'
  | 'bad-authority'
  | 'bad-content-length'
  | 'connection-header';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Visible characters, and blanks between them (RFC 9110 §5.5). */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const PATH = /^\/[\x21-\x7e]*$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
/** Longer numbers are no lengths, and would lose precision. */
const LENGTH = /^\d{1,15}$/;

/** Fields that speak of an HTTP/1.1 connection (RFC 9113 §8.2.2). */
const CONNECTION_HEADERS = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** Why a header or trailer field other than a pseudo header may not be in a message, if so. */
export function fieldFault([name, value]: Field): RequestFault | undefined {
  if (!NAME.test(name)) return 'bad-name';
  if (!VALUE.test(value)) return 'bad-value';
  if (CONNECTION_HEADERS.has(name)) return 'connection-header';
  return name === 'te' && value !== 'trailers' ? 'connection-header' : undefined;
}

/** Reads the fields that begin a request. Never throws. */
export function readRequestHead(fields: readonly Field[]): Result<RequestHead, RequestFault> {
  const pseudo = new Map<string, string>();
  const headers: Field[] = [];
  for (const field of fields) {
    const [name, value] = field;
    if (name.startsWith(':')) {
      if (headers.length > 0 || pseudo.has(name)) return fail('bad-pseudo-header');
      if (!VALUE.test(value)) return fail('bad-value');
      pseudo.set(name, value);
    } else {
      const fault = fieldFault(field);
      if (fault !== undefined) return fail(fault);
      headers.push(field);
    }
  }
  const target = readTarget(pseudo, singleValue(headers, 'host'));
  if (!target.ok) return target;
  const length = singleValue(headers, 'content-length');
  if (length === null || (length !== undefined && !LENGTH.test(length))) {
    return fail('bad-content-length');
  }
  const expects = singleValue(headers, 'expect');
  return ok({
    ...target.value,
    headers,
    contentLength: length === undefined ? undefined : Number(length),
    expectsContinue: expects?.toLowerCase() === '100-continue',
  });
}

/** The value of a field that may be repeated only with the same value; null if it was with another. */
function singleValue(headers: readonly Field[], wanted: string): string | undefined | null {
  let found: string | undefined;
  for (const [name, value] of headers) {
    if (name !== wanted) continue;
    if (found !== undefined && found !== value) return null;
    found = value;
  }
  return found;
}

type Target = Pick<RequestHead, 'method' | 'path' | 'authority'>;

function readTarget(
  pseudo: ReadonlyMap<string, string>,
  host: string | undefined | null,
): Result<Target, RequestFault> {
  const method = pseudo.get(':method');
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  const authority = pseudo.get(':authority');
  let known = 0;
  for (const value of [method, path, scheme, authority]) if (value !== undefined) known++;
  if (known !== pseudo.size) return fail('bad-pseudo-header');
  if (method === undefined || !TOKEN.test(method)) return fail('bad-method');
  if (host === null || (host !== undefined && authority !== undefined && !isSame(host, authority)))
    return fail('bad-authority');
  if (method === 'CONNECT') {
    if (path !== undefined || scheme !== undefined || !authority) return fail('bad-pseudo-header');
    return ok({ method, path: '', authority });
  }
  if (scheme === undefined || !SCHEME.test(scheme)) return fail('bad-scheme');
  if (path === undefined || !(PATH.test(path) || (path === '*' && method === 'OPTIONS'))) {
    return fail('bad-path');
  }
  return ok({ method, path, authority: authority ?? host ?? '' });
}

const PORT = /:\d+$/;

/**
 * Whether `host` names whom `:authority` names (RFC 9113 §8.3.1), which is then what counts. Observed: Tailscale's
 * client in Rust leaves the port out of `host`.
 */
function isSame(host: string, authority: string): boolean {
  return host === authority || host === authority.replace(PORT, '');
}
