/**
 * The body of a request, read when the application asks for it and not before: what is refused for its
 * head costs no more than the head. It is gathered whole, within a limit and what the budget of bodies has.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { concat } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import type { Lease } from '../budget/budget.ts';

export interface BodyLimits {
  /** A longer body is refused with 413. */
  readonly maxBytes: number;
  /** Of no bytes, for a body that may be taken back by `evict`; undefined: nobody counts. */
  readonly lease?: ((request: IncomingMessage, evict: () => void) => Lease | undefined) | undefined;
}

export class RequestBody {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #limits: BodyLimits;
  #lease: Lease | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, limits: BodyLimits) {
    this.#request = request;
    this.#response = response;
    this.#limits = limits;
  }

  /** Whether the head announces more than is allowed. */
  get isAnnouncedTooLarge(): boolean {
    return Number(this.#request.headers['content-length'] ?? 0) > this.#limits.maxBytes;
  }

  /** As a stream of one piece, for a Request. It errs with a MallaError. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream(
      {
        pull: async (controller) => {
          controller.enqueue(await this.#read());
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Gives back what it has of the budget. */
  release(): void {
    this.#lease?.release();
  }

  async #read(): Promise<Uint8Array<ArrayBuffer>> {
    const request = this.#request;
    const { maxBytes, lease } = this.#limits;
    if (lease !== undefined) {
      this.#lease = lease(request, () => request.destroy());
      if (this.#lease === undefined) throw busy();
    }
    if (request.headers.expect !== undefined) this.#response.writeContinue();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      // Leaving the loop must not destroy the socket that the refusal goes out on.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        const { length } = chunk as Uint8Array;
        bytes += length;
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        if (this.#lease?.grow(length) === false) throw busy();
        this.#lease?.touch();
        chunks.push(chunk as Uint8Array);
      }
    } catch (error) {
      if (error instanceof MallaError) throw error;
      throw new MallaError('request.invalid', 'the body broke off', { cause: error });
    }
    return Uint8Array.from(concat(chunks));
  }
}

/** What a body is refused with that is longer than allowed. */
export function tooLarge(maxBytes: number): MallaError {
  return new MallaError('request.too-large', `the body is longer than ${maxBytes} bytes`);
}

function busy(): MallaError {
  return new MallaError('server.busy', 'too much is being sent here at once: try again later');
}
