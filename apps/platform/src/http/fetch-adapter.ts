/**
 * Lets a `Request -> Response` application answer node:http. Bodies are read whole and bounded before
 * the application sees the request; answers are written whole.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { concat } from '@malla/base/bytes';
import { ERROR_STATUS, MallaError } from '@malla/base/error';

/** What answers a request. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface FetchAdapterOptions {
  /** A longer body is answered with 413. */
  readonly maxBodyBytes: number;
  /** What a request is answered that the application cannot be asked about. Default: the sentence as text. */
  readonly refusal?: (error: MallaError) => Response | Promise<Response>;
  /** An exception of the application: a bug. It is answered with 500. */
  readonly onError: (error: unknown) => void;
}

/** Methods that the Fetch standard has no requests for (§2.2.1). */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** The node:http listener of an application. */
export function fetchListener(app: FetchHandler, options: FetchAdapterOptions): RequestListener {
  return (incoming, outgoing) => {
    void answer(app, options, incoming, outgoing).catch((error: unknown) => {
      options.onError(error);
      if (!outgoing.headersSent) outgoing.writeHead(500, { 'Content-Type': 'text/plain' });
      outgoing.end();
    });
  };
}

async function answer(
  app: FetchHandler,
  options: FetchAdapterOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = 'GET' } = incoming;
  const url = urlOf(incoming.url ?? '/');
  const refuse = async (...what: ConstructorParameters<typeof MallaError>): Promise<void> =>
    sendLast(outgoing, await (options.refusal ?? asText)(new MallaError(...what)));
  if (url === null) return await refuse('request.invalid', 'bad request target');
  if (FORBIDDEN_METHODS.has(method)) {
    return await refuse('request.method-not-allowed', `${method} is not answered`);
  }
  const body = await readBody(incoming, options.maxBodyBytes);
  if (body === 'too-large') {
    return await refuse(
      'request.too-large',
      `the body is longer than ${options.maxBodyBytes} bytes`,
    );
  }
  if (body === 'broken-off') return;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) headers.append(name, one);
    }
  }
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const request = new Request(url, { method, headers, ...(hasBody ? { body } : {}) });
  const response = await app(request);
  const bytes = await response.bytes();
  outgoing.setHeaders(response.headers);
  // An application answers HEAD without the body, so its length is not known here.
  if (method !== 'HEAD' && response.status !== 204 && response.status !== 304) {
    outgoing.setHeader('Content-Length', bytes.length);
  }
  outgoing.writeHead(response.status);
  outgoing.end(method === 'HEAD' ? undefined : bytes);
}

/** The URL of a request target, its host where the target names none. A path may begin with two slashes. */
function urlOf(target: string): URL | null {
  if (target.startsWith('/')) return URL.parse(`http://localhost${target}`);
  return /^https?:\/\//i.test(target) ? URL.parse(target) : null;
}

function asText(error: MallaError): Response {
  return new Response(`${error.message}\n`, { status: ERROR_STATUS[error.code] });
}

/** Sends an answer, and ends the connection: the body of the request may still be coming. */
async function sendLast(outgoing: ServerResponse, response: Response): Promise<void> {
  const bytes = await response.bytes();
  outgoing.setHeaders(response.headers);
  outgoing.setHeader('Connection', 'close');
  outgoing.writeHead(response.status);
  outgoing.end(bytes);
}

async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | 'too-large' | 'broken-off'> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return 'too-large';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    // Leaving the loop must not destroy the socket that the refusal goes out on.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Uint8Array).length;
      if (bytes > maxBytes) return 'too-large';
      chunks.push(chunk as Uint8Array);
    }
  } catch {
    return 'broken-off';
  }
  return Uint8Array.from(concat(chunks));
}
