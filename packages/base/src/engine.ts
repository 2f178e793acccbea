/**
 * The one shape of everything that lives by time and owns no clock: who knows one engine knows all.
 *
 * - Inputs are methods `handle…(input, now)`. They change the engine's state and nothing else.
 * - {@link Engine.pollTimeout} says when the engine next wants {@link Engine.handleTimeout}; calling that
 *   earlier, later or twice does no harm.
 * - What the engine wants of the world lies in its queues until it is polled: {@link Engine.pollEvent},
 *   and where it speaks, {@link Transmitter.pollTransmit}. They are drained after every input.
 *
 * A driver (apps/platform/src/drive.ts) is the only place with a clock, and makes no decision. The
 * docstring of every engine says whether it is usable after a fault.
 */

/** Monotonic milliseconds, with fractions; whoever drives chooses the origin. */
export type Instant = number;

export interface Engine<Event> {
  /** Time has passed. */
  handleTimeout(now: Instant): void;
  /** When {@link handleTimeout} next has work; undefined when only an input can wake the engine. */
  pollTimeout(): Instant | undefined;
  /** The oldest event that nobody has taken yet. */
  pollEvent(): Event | undefined;
}

export interface Transmitter<Transmit> {
  /** The oldest thing to be sent that nobody has taken yet. */
  pollTransmit(): Transmit | undefined;
}
