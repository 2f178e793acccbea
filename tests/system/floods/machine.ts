/** A machine that floods inside Noise: it says what a flood wants said, and reads no more than it must. */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { concat, utf8 } from '@malla/base/bytes';
import { Flag, FrameType } from '@malla/http2/frame';
import { CLIENT_PREFACE } from '@malla/http2/frame-reader';
import { encodeHeaders } from '@malla/http2/hpack/encoder';
import { data, frame, get, headers, post, settings } from '@malla/http2/testing/raw-client';
import { formatKey } from '@malla/keys/key';
import { begin, finish } from '@malla/noise/handshake';
import { RecordOpener, RecordSealer } from '@malla/noise/record';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { type Aim, connect, head } from './aim.ts';

const UPGRADE = 'tailscale-control-protocol';
const END_OF_HEAD = '\r\n\r\n';
const RESPONSE_BYTES = 51;
/** What one DATA frame may have. */
const FRAME_BYTES = 16_000;

export class FloodMachine {
  readonly socket: Socket;
  /** What has come inside DATA frames, as text; its beginning is forgotten. */
  answers = '';
  readonly #sealer: RecordSealer;
  #nextStream = 1;

  private constructor(socket: Socket, sealer: RecordSealer, opener: RecordOpener) {
    this.socket = socket;
    this.#sealer = sealer;
    socket.on('data', (chunk: Uint8Array) => {
      const opened = opener.open(chunk);
      if (!opened.ok) return void socket.destroy();
      for (const piece of opened.value) {
        this.answers = (this.answers + Buffer.from(piece).toString('latin1')).slice(-64_000);
      }
    });
  }

  /** Connects with a key of its own; undefined where it does not get in. */
  static async enter(aim: Aim): Promise<FloodMachine | undefined> {
    const socket = await connect(aim);
    if (socket === undefined) return undefined;
    const begun = begin(newKey(), Buffer.from(aim.noiseKey, 'hex'), newKey(), 142, nodeCrypto);
    if (!begun.ok) throw new Error(begun.error);
    const initiation = Buffer.from(begun.value.initiation).toString('base64');
    socket.write(
      head(
        aim,
        'POST /ts2021',
        'Connection: upgrade',
        `Upgrade: ${UPGRADE}`,
        `X-Tailscale-Handshake: ${initiation}`,
      ),
    );
    const answer = await beginningOf(socket);
    const keys = answer && finish(begun.value.state, answer.response);
    if (answer === undefined || !keys?.ok) {
      socket.destroy();
      return undefined;
    }
    const sealer = new RecordSealer(keys.value.clientToServer, nodeCrypto);
    const made = new FloodMachine(
      socket,
      sealer,
      new RecordOpener(keys.value.serverToClient, nodeCrypto),
    );
    socket.emit('data', answer.rest);
    made.send(CLIENT_PREFACE, settings());
    return made;
  }

  /** Sends bytes of HTTP/2; false asks to wait for `drain`. */
  send(...parts: readonly Uint8Array[]): boolean {
    return !this.socket.destroyed && this.socket.write(this.#sealer.seal(...parts));
  }

  /** A request without a body. */
  get(path: string): boolean {
    return this.send(headers(this.#stream(), get(path), true));
  }

  /** A request with a body; unfinished, when its end is not sent. */
  post(path: string, body: string | Uint8Array, isWhole = true): boolean {
    const stream = this.#stream();
    const bytes = typeof body === 'string' ? utf8(body) : body;
    const parts = [headers(stream, post(path), false)];
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
      const isLast = isWhole && at + FRAME_BYTES >= bytes.length;
      parts.push(data(stream, bytes.subarray(at, at + FRAME_BYTES), isLast));
    }
    return this.send(concat(parts));
  }

  ping(): boolean {
    return this.send(frame(FrameType.ping, 0, 0, new Uint8Array(8)));
  }

  /** A request whose fields are to be remembered (RFC 7541 §6.2.1): as many as there is room for. */
  remember(path: string): boolean {
    const fields = Array.from({ length: 120 }, (_, n) =>
      Uint8Array.of(0x40, 1, 0x61 + (n % 26), 0),
    );
    const block = concat([encodeHeaders(get(path), false), ...fields]);
    const flags = Flag.endHeaders | Flag.endStream;
    return this.send(frame(FrameType.headers, flags, this.#stream(), block));
  }

  /** HEADERS whose block never ends. */
  endlessHeaders(bytes: number): boolean {
    const stream = this.#stream();
    return this.send(frame(FrameType.headers, Flag.endStream, stream, new Uint8Array(bytes)));
  }

  /** Waits until a text has come that fits; undefined when the connection ends first. */
  async answerWith(pattern: RegExp): Promise<RegExpExecArray | undefined> {
    for (;;) {
      const found = pattern.exec(this.answers);
      if (found !== null) return found;
      if (this.socket.destroyed) return undefined;
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([
        once(this.socket, 'data', { signal }),
        once(this.socket, 'close', { signal }),
      ]).catch(() => {});
      over.abort();
    }
  }

  #stream(): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    return stream;
  }
}

/** A new node key, as text. */
export function nodeKey(): string {
  return formatKey('nodekey', randomBytes(32));
}

function newKey(): ReturnType<typeof importPrivate> {
  return importPrivate(randomBytes(32));
}

/** The answer to the handshake, and what follows it; undefined where it is refused. */
async function beginningOf(
  socket: Socket,
): Promise<{ readonly response: Uint8Array; readonly rest: Uint8Array } | undefined> {
  let bytes = Buffer.alloc(0);
  return await new Promise((resolve) => {
    const done = (value: { response: Uint8Array; rest: Uint8Array } | undefined): void => {
      socket.removeListener('data', received);
      resolve(value);
    };
    const received = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf(END_OF_HEAD);
      if (end >= 0 && !bytes.toString('latin1', 0, end).includes(' 101 ')) return done(undefined);
      const from = end + END_OF_HEAD.length;
      if (end < 0 || bytes.length < from + RESPONSE_BYTES) return;
      done({
        response: bytes.subarray(from, from + RESPONSE_BYTES),
        rest: bytes.subarray(from + RESPONSE_BYTES),
      });
    };
    socket.on('data', received);
    socket.once('close', () => done(undefined));
  });
}
