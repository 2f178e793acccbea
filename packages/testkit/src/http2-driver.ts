/**
 * Joins an {@link Http2Connection} to a Node duplex stream, with back-pressure: the smallest driver that
 * is a whole one. The control server's own works the same way around Noise records.
 */
import type { Duplex } from 'node:stream';
import { Http2Connection } from '@malla/http2/connection';
import type { ConnectionEnd, Http2Request, StreamEnd } from '@malla/http2/handler';
import type { Http2Limits } from '@malla/http2/limits';

/** What a test may want to do when something happens. */
export interface Http2TestApp {
  request(connection: Http2Connection, stream: number, request: Http2Request): void;
  writable?(connection: Http2Connection, stream: number): void;
  streamClosed?(connection: Http2Connection, stream: number, end: StreamEnd): void;
  pong?(): void;
  closed?(end: ConnectionEnd): void;
}

/** Output on its way, as much as a Noise record of the control protocol holds; one for all connections. */
const record = new Uint8Array(4077);

/** Serves HTTP/2 on a stream until either side ends it. */
export function serveHttp2(
  duplex: Duplex,
  app: Http2TestApp,
  limits?: Http2Limits,
): Http2Connection {
  let writable = true;
  const flush = (): void => {
    while (writable) {
      const count = connection.takeOutput(record);
      if (count === 0) break;
      writable = duplex.write(record.slice(0, count));
    }
    if (writable && connection.closed) duplex.end();
  };
  const connection: Http2Connection = new Http2Connection(
    {
      onRequest: (stream, request) => app.request(connection, stream, request),
      onWritable: (stream) => app.writable?.(connection, stream),
      onStreamClosed: (stream, end) => app.streamClosed?.(connection, stream, end),
      onPong: () => app.pong?.(),
      onOutput: flush,
      onClosed: (end) => {
        app.closed?.(end);
        queueMicrotask(flush);
      },
    },
    limits,
  );
  duplex.on('data', (bytes: Uint8Array) => {
    connection.receive(bytes, performance.now());
  });
  duplex.on('drain', () => {
    writable = true;
    flush();
  });
  duplex.on('close', () => {
    connection.transportClosed();
  });
  duplex.on('error', () => {
    duplex.destroy();
  });
  flush();
  return connection;
}
