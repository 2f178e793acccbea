/**
 * When silent map streams are told that we are there, and which of them have nobody at the other end: a
 * client waits 120 s for a sign of life, and a device that lost its network says nothing at all. Each
 * keep-alive comes with a ping of the stream's connection, which the client's transport answers by itself;
 * without an answer in {@link PING_TIMEOUT_MS} the connection is dead.
 *
 * An engine of the one shape (@malla/base/engine); it has no faults.
 */
import { Deadlines } from '@malla/base/deadlines';
import type { Engine, Instant } from '@malla/base/engine';

/** Shortest and longest silence, ms. Observed: the hosted service and headscale use 50 to 60 s. */
export const KEEP_ALIVE_MS = { min: 50_000, max: 60_000 } as const;
/** How long a ping may stay unanswered, ms. */
export const PING_TIMEOUT_MS = 20_000;

export type KeepAliveEvent<Stream> =
  /** It is to be told that we are there, and its connection to be pinged. */
  | { readonly kind: 'due'; readonly stream: Stream }
  /** Its ping was not answered; whatever happens to it then, it is pinged again in its time. */
  | { readonly kind: 'dead'; readonly stream: Stream };

export class KeepAliveEngine<Stream> implements Engine<KeepAliveEvent<Stream>> {
  readonly #fraction: () => number;
  readonly #due = new Deadlines<Stream>();
  readonly #unanswered = new Deadlines<Stream>();
  readonly #events: KeepAliveEvent<Stream>[] = [];

  /** `fraction` is random, 0 to 1, so that streams that began together do not stay together. */
  constructor(fraction: () => number) {
    this.#fraction = fraction;
  }

  handleOpened(stream: Stream, now: Instant): void {
    this.#due.set(stream, this.#next(now));
  }

  handleClosed(stream: Stream): void {
    this.#due.delete(stream);
    this.#unanswered.delete(stream);
  }

  /** Its connection was pinged. */
  handlePinged(stream: Stream, now: Instant): void {
    if (this.#due.of(stream) !== undefined) this.#unanswered.set(stream, now + PING_TIMEOUT_MS);
  }

  /** Its ping was answered. */
  handleAnswered(stream: Stream): void {
    this.#unanswered.delete(stream);
  }

  handleTimeout(now: Instant): void {
    for (const stream of this.#unanswered.takeAllDue(now)) {
      this.#events.push({ kind: 'dead', stream });
    }
    for (const stream of this.#due.takeAllDue(now)) {
      this.#due.set(stream, this.#next(now));
      this.#events.push({ kind: 'due', stream });
    }
  }

  pollTimeout(): Instant | undefined {
    const [due, unanswered] = [this.#due.first(), this.#unanswered.first()];
    if (due === undefined || unanswered === undefined) return due ?? unanswered;
    return Math.min(due, unanswered);
  }

  pollEvent(): KeepAliveEvent<Stream> | undefined {
    return this.#events.shift();
  }

  #next(now: Instant): Instant {
    const { min, max } = KEEP_ALIVE_MS;
    return now + min + this.#fraction() * (max - min);
  }
}
