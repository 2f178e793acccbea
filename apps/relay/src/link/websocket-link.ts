/** A {@link Link} over a WebSocket, as clients in browsers use: DERP's byte stream in binary messages. */
import type { RawData, WebSocket } from 'ws';
import type { Link, LinkEvents } from './link.ts';

export class WebSocketLink implements Link {
  readonly #socket: WebSocket;
  #events: LinkEvents | undefined;

  /** The socket's `binaryType` must be `nodebuffer`, its default. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  start(events: LinkEvents): void {
    this.#events = events;
    const socket = this.#socket;
    socket.on('error', () => socket.terminate());
    socket.once('close', () => events.onClosed());
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary && Buffer.isBuffer(data)) events.onBytes(data);
      else socket.terminate();
    });
  }

  write(bytes: Uint8Array): boolean {
    this.#socket.send(bytes, { binary: true }, (error) => {
      if (error === undefined || error === null) this.#events?.onWritten();
    });
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.close(1001);
  }

  destroy(): void {
    this.#socket.terminate();
  }
}
