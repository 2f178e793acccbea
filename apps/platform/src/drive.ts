/**
 * Drives an engine (@malla/base/engine): gives it inputs with the time, wakes it when it wants to be
 * woken, and hands on what it says. Holds no decision.
 */
import type { Engine, Instant } from '@malla/base/engine';
import type { Clock } from './clock.ts';

export class Driver<Event, Driven extends Engine<Event>> {
  readonly engine: Driven;
  readonly #clock: Clock;
  readonly #onEvent: (event: Event) => void;
  readonly #onSettled: () => void;
  #armedFor = Infinity;
  #disarm: (() => void) | undefined;
  #isDraining = false;
  #isStopped = false;

  /**
   * `onEvent` may give further inputs; their events come after those that wait. `onSettled` comes after every
   * input and its events: where what the engine has to send is taken.
   */
  constructor(
    engine: Driven,
    clock: Clock,
    onEvent: (event: Event) => void,
    onSettled: () => void = () => {},
  ) {
    this.engine = engine;
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#onSettled = onSettled;
    this.#arm();
  }

  /** Gives an input, and does what follows from it before it returns. */
  input<Answer>(handle: (engine: Driven, now: Instant) => Answer): Answer {
    const answer = handle(this.engine, this.#clock.now());
    this.#drain();
    this.#arm();
    return answer;
  }

  /** Wakes the engine no more. */
  stop(): void {
    this.#isStopped = true;
    this.#disarm?.();
    this.#disarm = undefined;
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (;;) {
        const event = this.engine.pollEvent();
        if (event === undefined) break;
        this.#onEvent(event);
      }
    } finally {
      this.#isDraining = false;
    }
    this.#onSettled();
  }

  /** A timer for a moment that was put off finds nothing to do, and is cheaper than moving it. */
  #arm(): void {
    const at = this.engine.pollTimeout();
    if (this.#isStopped || at === undefined || at >= this.#armedFor) return;
    this.#disarm?.();
    this.#armedFor = at;
    this.#disarm = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#armedFor = Infinity;
      this.#disarm = undefined;
      this.input((engine, now) => engine.handleTimeout(now));
    });
  }
}
