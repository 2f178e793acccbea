/**
 * Those who want to hear of something. They are told in the order in which they came, each for itself:
 * one that throws keeps nobody else from being told, and its own owner hears of it.
 */

/** Hears of an event. */
export type Listener<Event> = (event: Event) => void;

interface Entry<Event> {
  readonly listener: Listener<Event>;
  readonly onError: (error: unknown) => void;
}

export class Listeners<Event> {
  readonly #entries = new Set<Entry<Event>>();
  readonly #onError: (error: unknown) => void;

  /** `onError` hears of what listeners throw that have nobody of their own for it. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Adds a listener; the returned function takes it away. */
  add(listener: Listener<Event>, onError: (error: unknown) => void = this.#onError): () => void {
    const entry = { listener, onError };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  /** One that is added meanwhile hears of it too, one that is taken away does not. */
  tell(event: Event): void {
    for (const { listener, onError } of this.#entries) {
      try {
        listener(event);
      } catch (error) {
        onError(error);
      }
    }
  }
}
