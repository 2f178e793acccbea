/** What the handlers of the administrators' API have in common. */
import type { Caller } from '@malla/api/access';
import type { AnswerOf, HandlerInput, RouteName } from '@malla/api/v1/routes';

/**
 * Answers one route: its checked input in, its answer out; refuses by throwing MallaError. Who the caller
 * is has been decided on before.
 */
export type Handler<N extends RouteName> = (
  input: HandlerInput<N>,
  caller: Caller,
) => AnswerOf<N> | Promise<AnswerOf<N>>;

/** Handlers of some routes. */
export type HandlersOf<N extends RouteName> = { readonly [K in N]: Handler<K> };
