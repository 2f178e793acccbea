/** A {@link Link} over a TCP or TLS socket, or any other Duplex, after its HTTP upgrade. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readDirectly } from './direct-read.ts';
import type { Link, LinkEvents } from './link.ts';

/** Idle time after which TCP asks whether the other side is still there. */
const TCP_KEEPALIVE_MS = 60_000;

export class StreamLink implements Link {
  readonly #stream: Duplex;
  readonly #direct: boolean;
  readonly #onWrote = (error?: Error | null): void => this.#wrote(error);
  #events: LinkEvents | undefined;
  /** Writes that were taken at once, of which the stream has yet to report. */
  #reportsToIgnore = 0;

  /** `direct`: read without allocating where the socket can (link/direct-read.ts). */
  constructor(stream: Duplex, direct: boolean) {
    this.#stream = stream;
    this.#direct = direct;
  }

  start(events: LinkEvents): void {
    const stream = this.#stream;
    this.#events = events;
    if (stream.destroyed) {
      events.onClosed();
      return;
    }
    stream.on('error', () => stream.destroy());
    stream.on('end', () => stream.destroy());
    stream.once('close', () => events.onClosed());
    const onBytes = (chunk: Buffer): void => events.onBytes(chunk);
    stream.on('data', onBytes);
    if (stream instanceof Socket) {
      stream.setTimeout(0);
      stream.setNoDelay(true);
      stream.setKeepAlive(true, TCP_KEEPALIVE_MS);
      if (this.#direct) readDirectly(stream, onBytes);
    }
    stream.resume();
  }

  write(bytes: Uint8Array): boolean {
    this.#stream.write(bytes, this.#onWrote);
    // A plain socket whose system buffer has room takes the bytes during the call.
    if (this.#stream.writableLength > 0) return false;
    this.#reportsToIgnore++;
    return true;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #wrote(error: Error | null | undefined): void {
    if (this.#reportsToIgnore > 0) this.#reportsToIgnore--;
    else if (error === null || error === undefined) this.#events?.onWritten();
  }
}
