/**
 * The last words on a socket that is no longer its HTTP server's.
 */
import type { Duplex } from 'node:stream';

/** How long a refused connection may take to go away, ms. */
const LINGER_MS = 2_000;

const REASONS = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
} as const;

export type RefusalStatus = keyof typeof REASONS;

/** Answers a request with a refusal, and ends its connection. */
export function refuse(
  socket: Duplex,
  status: RefusalStatus,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const fields = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  finish(socket, `HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join('')}\r\n${text}`);
}

/**
 * Sends the last bytes of a connection, and does not wait for ever until the other side goes. What still
 * comes meanwhile is dropped: a socket that is closed with unread bytes takes its last words back.
 */
export function finish(socket: Duplex, last: string | Uint8Array): void {
  const forced = setTimeout(() => socket.destroy(), LINGER_MS);
  forced.unref();
  socket.once('close', () => clearTimeout(forced));
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end(last);
}
