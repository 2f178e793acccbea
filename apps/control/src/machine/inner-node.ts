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
  MAX_BODY_BYTES,
} from './inner-http.ts';
import { NoiseDuplex } from './noise-duplex.ts';

const OPTIONS: http2.SessionOptions = {
  settings: { maxConcurrentStreams: 64, initialWindowSize: 1 << 18 },
  maxSessionMemory: 16,
};

/** Serves a connection by node:http2. */
export function serveByNode(options: InnerHttpOptions): InnerHttp {
  const duplex = new NoiseDuplex(options.socket, options.keys, options.head, options.aead);
  if (options.earlyPayload.length > 0) duplex.write(options.earlyPayload);
  const session = http2.performServerHandshake(duplex, OPTIONS);
  session.on('error', () => session.destroy());
  let open = 0;
  let emptySince = performance.now();
  session.on('stream', (stream, headers) =>
    receive(stream, headers, (exchange) => {
      open++;
      stream.on('close', () => {
        if (--open === 0) emptySince = performance.now();
      });
      options.onExchange(exchange);
    }),
  );
  session.on('close', options.onClosed);
  return {
    idleSince: () => (open === 0 ? emptySince : undefined),
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

function receive(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  onExchange: (exchange: Exchange) => void,
): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  stream.on('error', () => {});
  stream.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    if (bytes <= MAX_BODY_BYTES) onExchange(exchangeOf(stream, headers, concat(chunks)));
  });
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
