/** What the handlers of the administrators' API have in common. */
import type { Caller } from '@malla/api/access';
import type { AnswerOf, HandlerInput, RouteName } from '@malla/api/v1/routes';
import { IN_PIECES } from '@malla/platform/http/fetch-adapter';

/**
 * Answers one route: its checked input in, its answer out; refuses by throwing MallaError. Who the caller
 * is has been decided on before.
 */
export type Handler<N extends RouteName> = (
  input: HandlerInput<N>,
  caller: Caller,
) => AnswerOf<N> | AnswerInPieces | Promise<AnswerOf<N> | AnswerInPieces>;

/** An answer that is too large to be made at once: its JSON in pieces, each made when the one before was taken. */
export class AnswerInPieces {
  readonly #pieces: AsyncGenerator<string, void>;
  readonly #onGone: () => void;

  /** `onGone`: nobody takes more. */
  constructor(pieces: AsyncGenerator<string, void>, onGone: () => void) {
    this.#pieces = pieces;
    this.#onGone = onGone;
  }

  response(): Response {
    const pieces = this.#pieces;
    const onGone = this.#onGone;
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          const { done, value } = await pieces.next();
          if (done === true) controller.close();
          else controller.enqueue(encoder.encode(value));
        },
        cancel: onGone,
      },
      { highWaterMark: 1 },
    );
    return new Response(body, {
      headers: { 'Content-Type': 'application/json', [IN_PIECES]: 'chunked' },
    });
  }
}

/** Handlers of some routes. */
export type HandlersOf<N extends RouteName> = { readonly [K in N]: Handler<K> };
