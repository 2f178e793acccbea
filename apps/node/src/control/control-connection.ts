/**
 * One connection to a control server: HTTP/2 inside Noise, over which every request goes at once. It is good
 * until it is closed or lost; then another is opened.
 *
 * Source: docs/protocol/ts2021.md §6.
 */
import { Buffer } from 'node:buffer';
import http2 from 'node:http2';
import type { NoiseStream } from './noise-stream.ts';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** The header, as it is. */
  readonly retryAfter: string | undefined;
  readonly body: Uint8Array;
}

/** Whoever reads an answer as it comes. After `closed` nothing more. */
export interface AnswerReader {
  readonly answered: (status: number) => void;
  readonly bytes: (chunk: Uint8Array) => void;
  readonly closed: () => void;
}

/** Of an answer that is read whole. */
const MAX_ANSWER_BYTES = 1 << 20;
/** What may be under way to us on one stream, and on all: a map of thousands of nodes comes without waiting. */
const STREAM_WINDOW_BYTES = 1 << 20;
const CONNECTION_WINDOW_BYTES = 4 << 20;
/** Of requests whose path is all that counts, as official clients name it. */
const AUTHORITY = 'unused';

export class ControlConnection {
  /** Resolves once it is closed or lost. */
  readonly closed: Promise<void>;
  readonly #session: http2.ClientHttp2Session;

  constructor(stream: NoiseStream) {
    const session = http2.connect(`https://${AUTHORITY}`, {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    // What it was is seen by every request that was under way.
    session.on('error', () => {});
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    this.#session = session;
    this.closed = new Promise((resolve) => session.once('close', resolve));
  }

  /** Rejects with an Error where no whole answer comes. */
  post(path: string, body: string, signal: AbortSignal): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const stream = this.#open(path, body, signal);
    let status = 0;
    let retryAfter: string | undefined;
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
      retryAfter = headers['retry-after'];
    });
    stream.on('data', (chunk: Uint8Array) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) return;
      stream.close(http2.constants.NGHTTP2_CANCEL);
      reject(new Error(`${path} answers without end`));
    });
    stream.on('end', () => resolve({ status, retryAfter, body: Buffer.concat(chunks) }));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the connection was lost')));
    return promise;
  }

  /** An answer that does not end by itself. The signal ends it. */
  read(path: string, body: string, reader: AnswerReader, signal: AbortSignal): void {
    const stream = this.#open(path, body, signal);
    stream.on('response', (headers) => reader.answered(Number(headers[':status'])));
    stream.on('data', reader.bytes);
    // The close that follows says all.
    stream.on('error', () => {});
    stream.on('close', reader.closed);
  }

  close(): void {
    this.#session.destroy();
  }

  #open(path: string, body: string, signal: AbortSignal): http2.ClientHttp2Stream {
    const stream = this.#session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/json' },
      { signal },
    );
    stream.end(body);
    return stream;
  }
}
