/**
 * Lets a `Request -> Response` application answer node:http. Bodies are read whole and bounded before
 * the application sees the request; answers are written whole.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { concat } from '@malla/base/bytes';

/** What answers a request. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface FetchAdapterOptions {
  /** A longer body is answered with 413. */
  readonly maxBodyBytes: number;
  /** An exception of the application: a bug. It is answered with 500. */
  readonly onError: (error: unknown) => void;
}

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
  const url = URL.parse(incoming.url ?? '/', `http://${incoming.headers.host ?? 'unused'}`);
  if (url === null) {
    outgoing.writeHead(400, { 'Content-Type': 'text/plain', Connection: 'close' });
    outgoing.end('bad request target');
    return;
  }
  const body = await readBody(incoming, options.maxBodyBytes);
  if (body === undefined) {
    if (outgoing.destroyed) return;
    outgoing.writeHead(413, { 'Content-Type': 'text/plain', Connection: 'close' });
    outgoing.end('the body is too large');
    return;
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) headers.append(name, one);
    }
  }
  const method = incoming.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const request = new Request(url, { method, headers, ...(hasBody ? { body } : {}) });
  const response = await app(request);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const out: Record<string, string> = Object.fromEntries(response.headers);
  // An application answers HEAD without the body, so its length is not known here.
  if (method !== 'HEAD' && response.status !== 204 && response.status !== 304) {
    out['content-length'] ??= String(bytes.length);
  }
  outgoing.writeHead(response.status, out);
  outgoing.end(method === 'HEAD' ? undefined : bytes);
}

/** The whole body; undefined when it is too long or the client broke off. */
async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Uint8Array.from(concat(chunks));
}
