/**
 * Lets a `Request -> Response` application answer node:http. The application sees a request when its head
 * is there; the body is read when it asks for it (request-body.ts). Answers are written whole, but for event
 * streams: each piece of one goes out when it comes, no faster than the client reads.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { MallaError } from '@malla/base/error';
import type { ErrorCode } from '@malla/base/error-codes';
import { type BodyLimits, RequestBody, tooLarge } from './request-body.ts';

/** What answers a request. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface FetchAdapterOptions {
  readonly body: BodyLimits;
  /** What is answered where the application cannot be asked, or throws a MallaError. Default: its text. */
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
  const body = new RequestBody(incoming, outgoing, options.body);
  try {
    const response = await responseOf(app, options, incoming, body);
    await send(incoming, outgoing, response);
  } finally {
    body.release();
  }
}

async function responseOf(
  app: FetchHandler,
  { body: { maxBytes }, refusal = asText }: FetchAdapterOptions,
  incoming: IncomingMessage,
  body: RequestBody,
): Promise<Response> {
  const { method = 'GET' } = incoming;
  const url = urlOf(incoming.url ?? '/');
  if (url === null) return await refusal(new MallaError('request.invalid', 'bad request target'));
  if (FORBIDDEN_METHODS.has(method)) {
    return await refusal(new MallaError('request.method-not-allowed', `${method} is not answered`));
  }
  if (body.isAnnouncedTooLarge) return await refusal(tooLarge(maxBytes));
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) headers.append(name, one);
    }
  }
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const init: RequestInit = {
    method,
    headers,
    ...(hasBody ? { body: body.stream(), duplex: 'half' } : {}),
  };
  try {
    return await app(new Request(url, init));
  } catch (error) {
    if (error instanceof MallaError && error.code !== 'internal') return await refusal(error);
    throw error;
  }
}

async function send(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  response: Response,
): Promise<void> {
  const { method } = incoming;
  if (method !== 'HEAD' && response.body !== null && isInPieces(response)) {
    return await sendPieces(outgoing, response, response.body);
  }
  const bytes = await response.bytes();
  outgoing.setHeaders(response.headers);
  // An application answers HEAD without the body, so its length is not known here.
  if (method !== 'HEAD' && response.status !== 204 && response.status !== 304) {
    outgoing.setHeader('Content-Length', bytes.length);
  }
  // The rest of a body that nobody wanted may still be coming.
  if (!incoming.complete) outgoing.setHeader('Connection', 'close');
  outgoing.writeHead(response.status);
  outgoing.end(method === 'HEAD' ? undefined : bytes);
}

/** The header of a response whose body goes out as it is made, and what it says: HTTP/1.1's own (RFC 9112 §7.1). */
export const IN_PIECES = 'Transfer-Encoding';

function isInPieces({ headers }: Response): boolean {
  if (headers.get(IN_PIECES) === 'chunked') return true;
  return headers.get('Content-Type')?.startsWith('text/event-stream') === true;
}

/** Until the stream ends, or nobody is at the other end any more: then the stream is cancelled. */
async function sendPieces(
  outgoing: ServerResponse,
  { headers, status }: Response,
  pieces: ReadableStream<Uint8Array>,
): Promise<void> {
  const reader = pieces.getReader();
  outgoing.once('close', () => void reader.cancel().catch(() => {}));
  outgoing.setHeaders(headers);
  outgoing.writeHead(status);
  outgoing.flushHeaders();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    // It may have gone before anybody listened for that.
    if (outgoing.destroyed) return await reader.cancel();
    if (!outgoing.write(value)) await drained(outgoing);
  }
  outgoing.end();
}

/** Resolves when more can be written, or never will be. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.on('drain', done);
    outgoing.on('close', done);
  });
}

/** The URL of a request target, its host where the target names none. A path may begin with two slashes. */
function urlOf(target: string): URL | null {
  if (target.startsWith('/')) return URL.parse(`http://localhost${target}`);
  return /^https?:\/\//i.test(target) ? URL.parse(target) : null;
}

/** Of what is wrong with a request, whatever it asks for (RFC 9110 §15). Another refusal that nobody answered is a bug. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  'request.invalid': 400,
  'request.forbidden': 403,
  'request.not-found': 404,
  'request.method-not-allowed': 405,
  'request.too-large': 413,
  'server.busy': 503,
};

function asText(error: MallaError): Response {
  return new Response(`${error.message}\n`, { status: STATUS[error.code] ?? 500 });
}
