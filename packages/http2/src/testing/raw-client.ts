/** A client that says exactly what a test wants said, frame by frame, and reads what comes back. */
import { concat, fromUtf8 } from '@malla/base/bytes';
import { ByteBuffer } from '../byte-buffer.ts';
import { Http2Connection } from '../connection.ts';
import { Flag, FRAME_HEADER_BYTES, FrameType, putFrameHeader, readU31, readU32 } from '../frame.ts';
import { CLIENT_PREFACE } from '../frame-reader.ts';
import type { Http2Handler, Http2Request } from '../handler.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { encodeHeaders } from '../hpack/encoder.ts';
import type { Field } from '../hpack/field.ts';
import { DEFAULT_LIMITS, type Http2Limits } from '../limits.ts';

/** A frame that the server sent. */
export interface SentFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Makes a frame of any type, right or wrong. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  putFrameHeader(bytes, 0, payload.length, type as FrameType, flags, stream);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** Makes a SETTINGS frame. */
export function settings(
  ...pairs: ReadonlyArray<readonly [id: number, value: number]>
): Uint8Array {
  const payload = new ByteBuffer();
  for (const [id, value] of pairs) {
    payload.u16(id);
    payload.u32(value);
  }
  return frame(FrameType.settings, 0, 0, payload.take());
}

/** Makes the payload of RST_STREAM or WINDOW_UPDATE. */
export function u32(value: number): Uint8Array {
  const payload = new ByteBuffer();
  payload.u32(value);
  return payload.take();
}

/** Makes WINDOW_UPDATE. */
export function windowUpdate(stream: number, increment: number): Uint8Array {
  return frame(FrameType.windowUpdate, 0, stream, u32(increment));
}

/** Makes RST_STREAM with CANCEL. */
export function cancel(stream: number): Uint8Array {
  return frame(FrameType.rstStream, 0, stream, u32(8));
}

/** The fields of a GET of `path`, and others after them. */
export function get(path = '/', ...more: Field[]): Field[] {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'unused'],
    ...more,
  ];
}

/** The fields of a POST of `path`, and others after them. */
export function post(path = '/', ...more: Field[]): Field[] {
  return [[':method', 'POST'], ...get(path, ...more).slice(1)];
}

/** Makes HEADERS with END_HEADERS; the fields are encoded without any table. */
export function headers(stream: number, fields: readonly Field[], endStream: boolean): Uint8Array {
  const flags = Flag.endHeaders | (endStream ? Flag.endStream : 0);
  return frame(FrameType.headers, flags, stream, encodeHeaders(fields, false));
}

/** Makes DATA. */
export function data(stream: number, payload: Uint8Array, endStream: boolean): Uint8Array {
  return frame(FrameType.data, endStream ? Flag.endStream : 0, stream, payload);
}

/** A connection, what it told its owner, and what it sent. */
export class RawClient {
  readonly connection: Http2Connection;
  readonly requests: Array<{ readonly stream: number; readonly request: Http2Request }> = [];
  /** Everything told except requests, as `closed 3 done` or `end 1 why`. */
  readonly events: string[] = [];
  now = 0;
  #unread = new Uint8Array(0);
  readonly #decoder = new HpackDecoder();
  readonly #record = new Uint8Array(4077);

  constructor(limits: Partial<Http2Limits> = {}, handler: Partial<Http2Handler> = {}) {
    this.connection = new Http2Connection(
      {
        onRequest: (stream, request) => void this.requests.push({ stream, request }),
        onWritable: (stream) => void this.events.push(`writable ${stream}`),
        onStreamClosed: (stream, end) => void this.events.push(`closed ${stream} ${end}`),
        onPong: () => void this.events.push('pong'),
        onOutput: () => void this.events.push('output'),
        onClosed: ({ code, why }) => void this.events.push(`end ${code} ${why}`),
        ...handler,
      },
      { ...DEFAULT_LIMITS, ...limits },
    );
  }

  /** Says the preface and empty settings, acknowledges the server's, and forgets what it said to that. */
  greet(...pairs: ReadonlyArray<readonly [id: number, value: number]>): this {
    this.send(CLIENT_PREFACE, settings(...pairs), frame(FrameType.settings, Flag.ack, 0));
    this.read();
    this.events.length = 0;
    return this;
  }

  /** Sends bytes in one piece. */
  send(...parts: readonly Uint8Array[]): void {
    this.connection.receive(concat(parts), this.now);
  }

  /** Takes all output there is, as frames. */
  read(): SentFrame[] {
    const parts = [this.#unread];
    for (let n = 0; (n = this.connection.takeOutput(this.#record)) > 0;) {
      parts.push(this.#record.slice(0, n));
    }
    const bytes = concat(parts);
    const frames: SentFrame[] = [];
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + (readU32(bytes, at) >>> 8);
      if (end > bytes.length) break;
      frames.push({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        stream: readU31(bytes, at + 5),
        payload: bytes.slice(at + FRAME_HEADER_BYTES, end),
      });
      at = end;
    }
    this.#unread = bytes.slice(at);
    return frames;
  }

  /** Takes all output there is, as lines such as `HEADERS 1 :status=200 END`. */
  readLines(): string[] {
    return this.read().map((sent) => this.#describe(sent));
  }

  #describe({ type, flags, stream, payload }: SentFrame): string {
    const end = (flags & Flag.endStream) === 0 ? '' : ' END';
    switch (type) {
      case FrameType.data:
        return `DATA ${stream} ${payload.length}${end}`;
      case FrameType.headers: {
        const decoded = this.#decoder.decode(payload, Infinity);
        const fields = decoded.ok ? decoded.value.fields : [];
        return ['HEADERS', stream, ...fields.map((field) => field.join('='))].join(' ') + end;
      }
      case FrameType.rstStream:
        return `RST_STREAM ${stream} ${readU32(payload, 0)}`;
      case FrameType.settings:
        return (flags & Flag.ack) === 0 ? 'SETTINGS' : 'SETTINGS ACK';
      case FrameType.ping:
        return `PING${(flags & Flag.ack) === 0 ? '' : ' ACK'} ${payload.toHex()}`;
      case FrameType.goAway:
        return `GOAWAY ${readU31(payload, 0)} ${readU32(payload, 4)} ${fromUtf8(payload.subarray(8))}`;
      case FrameType.windowUpdate:
        return `WINDOW_UPDATE ${stream} ${readU31(payload, 0)}`;
      default:
        return `type ${type}`;
    }
  }
}
