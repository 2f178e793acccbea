/** The Noise channel as a Node stream, for consumers that want one (inner-node.ts). */
import { Duplex } from 'node:stream';
import { RecordOpener, RecordSealer } from '@malla/noise/record';
import type { ConnectionBudget } from './connection-budget.ts';
import type { InnerHttpOptions } from './inner-http.ts';
import { PacedInput } from './paced-input.ts';

type NoiseDuplexOptions = Pick<InnerHttpOptions, 'socket' | 'keys' | 'head' | 'aead' | 'budget'>;

/** Plaintext on this side, records on the socket's. A fault of the channel destroys both. */
export class NoiseDuplex extends Duplex {
  readonly #socket: Duplex;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #budget: ConnectionBudget;
  readonly #input: PacedInput;

  constructor({ socket, keys, head, aead, budget }: NoiseDuplexOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#sealer = new RecordSealer(keys.serverToClient, aead);
    this.#opener = new RecordOpener(keys.clientToServer, aead);
    this.#budget = budget;
    this.#input = new PacedInput(socket, budget, (chunk) => this.#received(chunk));
    socket.on('data', (chunk: Uint8Array) => this.#input.receive(chunk));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', () => this.destroy());
    if (head.length > 0) this.#input.receive(head);
  }

  /** Bytes that came and wait to be read. */
  get heldBytes(): number {
    return this.#input.lateBytes + this.#opener.heldBytes;
  }

  override _read(): void {
    if (this.#input.lateBytes === 0) this.#socket.resume();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#send(this.#sealer.seal(chunk), done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this.#send(this.#sealer.seal(...chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(null);
  }

  #send(records: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.#socket.write(records)) done();
    else this.#socket.once('drain', () => done());
  }

  #received(chunk: Uint8Array): void {
    const opened = this.#opener.open(chunk);
    if (!opened.ok) {
      this.destroy();
      return;
    }
    this.#budget.records(opened.value.length);
    for (const piece of opened.value) if (!this.push(piece)) this.#socket.pause();
  }
}
