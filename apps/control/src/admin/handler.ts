/** What the handlers of the administrators' API have in common. */
import type { AnswerOf, HandlerInput, RouteName } from '@malla/api/routes';

/** Who asks: `local` for whoever may open the unix socket, or the prefix of an API key. */
export type Caller = string;

/** Answers one route: its checked input in, its answer out; refuses by throwing MallaError. */
export type Handler<N extends RouteName> = (
  input: HandlerInput<N>,
  caller: Caller,
) => AnswerOf<N> | Promise<AnswerOf<N>>;

/** Handlers of some routes. */
export type HandlersOf<N extends RouteName> = { readonly [K in N]: Handler<K> };
