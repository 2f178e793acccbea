/** What a socket receives, given on as fast as the budget of its connection lets it. */
import type { Duplex } from 'node:stream';
import type { ConnectionBudget } from './connection-budget.ts';

export class PacedInput {
  /** Bytes that came and may not be read yet. */
  lateBytes = 0;
  readonly #socket: Duplex;
  readonly #budget: ConnectionBudget;
  readonly #onBytes: (chunk: Uint8Array) => void;
  #late: Uint8Array[] = [];

  constructor(socket: Duplex, budget: ConnectionBudget, onBytes: (chunk: Uint8Array) => void) {
    this.#socket = socket;
    this.#budget = budget;
    this.#onBytes = onBytes;
  }

  receive(chunk: Uint8Array): void {
    if (this.#late.length === 0 && this.#budget.pass(chunk.length, this.#go)) {
      return this.#onBytes(chunk);
    }
    this.#late.push(chunk);
    this.lateBytes += chunk.length;
    this.#socket.pause();
  }

  readonly #go = (): void => {
    const late = this.#late;
    this.#late = [];
    this.lateBytes = 0;
    for (const chunk of late) {
      if (this.#socket.destroyed) return;
      this.#onBytes(chunk);
    }
    this.#socket.resume();
  };
}
