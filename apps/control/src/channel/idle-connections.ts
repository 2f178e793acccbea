/**
 * Which connections have to end because nothing goes on there: no request has come for too long, or the rest of
 * one. Each is looked at when that could first be so, and not before.
 *
 * An engine of the one shape (@malla/base/engine); it has no faults.
 */
import { Deadlines } from '@malla/base/deadlines';
import type { Engine, Instant } from '@malla/base/engine';

/** What goes on on a connection. */
export interface Activity {
  /** Since when no request is being answered, or arrives; undefined: one does. */
  readonly idleSince: Instant | undefined;
  /** How long that may be, ms. */
  readonly maxIdleMs: number;
  /** Since when the rest of a request is waited for; undefined: none is. */
  readonly unfinishedSince: Instant | undefined;
  readonly maxUnfinishedMs: number;
}

export class IdleConnections<Connection> implements Engine<Connection> {
  readonly #activityOf: (connection: Connection) => Activity;
  readonly #looks = new Deadlines<Connection>();
  readonly #over: Connection[] = [];

  constructor(activityOf: (connection: Connection) => Activity) {
    this.#activityOf = activityOf;
  }

  handleOpened(connection: Connection, now: Instant): void {
    this.#look(connection, now);
  }

  handleClosed(connection: Connection): void {
    this.#looks.delete(connection);
  }

  handleTimeout(now: Instant): void {
    for (const connection of this.#looks.takeAllDue(now)) this.#look(connection, now);
  }

  pollTimeout(): Instant | undefined {
    return this.#looks.first();
  }

  /** A connection that has to end. It is not named again. */
  pollEvent(): Connection | undefined {
    return this.#over.shift();
  }

  /** What does not go on now may begin not to at any moment. */
  #look(connection: Connection, now: Instant): void {
    const activity = this.#activityOf(connection);
    const { idleSince = now, maxIdleMs, unfinishedSince = now, maxUnfinishedMs } = activity;
    const at = Math.min(idleSince + maxIdleMs, unfinishedSince + maxUnfinishedMs);
    if (at <= now) this.#over.push(connection);
    else this.#looks.set(connection, at);
  }
}
