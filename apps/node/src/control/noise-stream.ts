/** A control channel as a Node stream, with back-pressure in both directions. */
import { Duplex } from 'node:stream';
import type { ControlChannel } from '@malla/control-client/channel';

/** HTTP/2 on this side, records on the socket's. A fault of the channel destroys both. */
export class NoiseStream extends Duplex {
  readonly #channel: ControlChannel;
  readonly #socket: Duplex;

  /** Takes over a socket past its upgrade; `head` came behind the answer. The channel has been begun. */
  constructor(channel: ControlChannel, socket: Duplex, head: Uint8Array) {
    super();
    this.#channel = channel;
    this.#socket = socket;
    socket.on('data', (chunk: Uint8Array) => this.#received(chunk));
    socket.on('close', () => this.destroy());
    this.#received(head);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    if (this.#socket.write(this.#channel.seal(chunk))) done();
    else this.#socket.once('drain', () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #received(chunk: Uint8Array): void {
    const wasOpen = this.#channel.isOpen;
    const http2 = this.#channel.receive(chunk);
    if (!http2.ok) {
      const { error } = http2;
      this.destroy(new Error(error.kind === 'refused' ? error.text : `noise: ${error.fault}`));
      return;
    }
    if (!wasOpen && this.#channel.isOpen) this.emit('open');
    for (const piece of http2.value) if (!this.push(piece)) this.#socket.pause();
  }
}
