/**
 * HTTP inside Noise on node:http2. It costs more memory and time than our own (docs/performance.md)
 * and is kept as the one to compare with: `tuning.http2: node` selects it, and the same system tests run
 * on both.
 */
import http2 from 'node:http2';
import { performance } from 'node:perf_hooks';
import { concat } from '@malla/base/bytes';
import {
  type AnswerStream,
  type Exchange,
  type InnerHttp,
  type InnerHttpOptions,
} from './inner-http.ts';
import { NoiseDuplex } from './noise-duplex.ts';

const OPTIONS: http2.SessionOptions = {
  settings: { maxConcurrentStreams: 64, initialWindowSize: 1 << 18 },
  maxSessionMemory: 16,
};

/** Serves a connection by node:http2. */
export function serveByNode(options: InnerHttpOptions): InnerHttp {
  const { budget } = options;
  const duplex = new NoiseDuplex(options);
  if (options.earlyPayload.length > 0) duplex.write(options.earlyPayload);
  const session = http2.performServerHandshake(duplex, OPTIONS);
  session.on('error', () => session.destroy());
  let open = 0;
  let emptySince = performance.now();
  const arriving = new Map<object, { readonly since: number; bytes: number }>();
  const hold = (): void => {
    let bytes = duplex.heldBytes;
    for (const request of arriving.values()) bytes += request.bytes;
    if (!budget.hold(bytes)) duplex.destroy();
  };
  session.on('stream', (stream, headers) => {
    const request = { since: performance.now(), bytes: 0 };
    arriving.set(stream, request);
    stream.on('close', () => arriving.delete(stream));
    const onBytes = (bytes: number): void => {
      request.bytes = bytes;
      hold();
    };
    receive(stream, headers, budget.bodyLimit(pathOf(headers)), onBytes, (exchange) => {
      arriving.delete(stream);
      hold();
      open++;
      stream.on('close', () => {
        if (--open === 0) emptySince = performance.now();
      });
      options.onExchange(exchange);
    });
  });
  session.on('close', () => {
    budget.end();
    options.onClosed();
  });
  return {
    idleSince: () => (open === 0 ? emptySince : undefined),
    unfinishedSince: () => arriving.values().next().value?.since,
    ping: () =>
      new Promise((resolve) => {
        if (session.destroyed) return resolve(false);
        session.ping((error) => resolve(error === null));
      }),
    close: () => {
      session.close();
      duplex.destroy();
    },
  };
}

function pathOf(headers: http2.IncomingHttpHeaders): string {
  return (headers[':path'] ?? '/').split('?', 1)[0] ?? '';
}

function receive(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  maxBytes: number,
  onBytes: (gathered: number) => void,
  onExchange: (exchange: Exchange) => void,
): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  stream.on('error', () => {});
  stream.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > maxBytes) return refuse(stream);
    chunks.push(chunk);
    onBytes(bytes);
  });
  stream.on('end', () => {
    if (bytes <= maxBytes) onExchange(exchangeOf(stream, headers, concat(chunks)));
  });
}

/** Says that the body is too long, and asks to send no more of it. */
function refuse(stream: http2.ServerHttp2Stream): void {
  if (stream.headersSent || stream.destroyed) return;
  stream.respond({ ':status': 413 }, { endStream: true });
  stream.close(http2.constants.NGHTTP2_NO_ERROR);
}

function exchangeOf(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  body: Uint8Array,
): Exchange {
  let answered = false;
  let rest = body;
  const exchange: Exchange = {
    method: headers[':method'] ?? 'GET',
    path: headers[':path'] ?? '/',
    onAborted: undefined,
    get aborted() {
      return stream.destroyed || stream.closed;
    },
    takeBody() {
      const taken = rest;
      rest = new Uint8Array();
      return taken;
    },
    respond(status, contentType, answer) {
      if (answered || exchange.aborted) return;
      answered = true;
      stream.respond({ ':status': status, 'content-type': contentType });
      stream.end(answer);
    },
    stream(contentType) {
      answered = true;
      stream.respond({ ':status': 200, 'content-type': contentType });
      return answerStreamOf(stream);
    },
  };
  stream.on('close', () => {
    if (!answered) exchange.onAborted?.();
  });
  return exchange;
}

function answerStreamOf(stream: http2.ServerHttp2Stream): AnswerStream {
  const answer: AnswerStream = {
    onWritable: undefined,
    onClosed: undefined,
    write(pieces) {
      if (stream.destroyed || stream.closed) return true;
      let room = true;
      stream.cork();
      for (const piece of pieces) room = stream.write(piece);
      stream.uncork();
      return room;
    },
    end() {
      if (!stream.destroyed && !stream.closed) stream.end();
    },
  };
  stream.on('drain', () => answer.onWritable?.());
  stream.on('close', () => answer.onClosed?.());
  return answer;
}
