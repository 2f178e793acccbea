/** The presences of a tailnet at work: {@link PresenceEngine} with a clock. */
import type { NodeId } from '@malla/netmap/node';
import type { Presence } from '@malla/netmap/tailcfg-node';
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import { PresenceEngine, type PresenceEvent } from './presence.ts';

export interface PresencesOptions {
  readonly clock: Clock;
  /** Unix ms. */
  readonly wall: () => number;
  readonly onEvent: (event: PresenceEvent) => void;
}

export class Presences {
  readonly #driver: Driver<PresenceEvent, PresenceEngine>;
  readonly #wall: () => number;

  constructor({ clock, wall, onEvent }: PresencesOptions) {
    this.#driver = new Driver(new PresenceEngine(), clock, onEvent);
    this.#wall = wall;
  }

  isOnline(id: NodeId): boolean {
    return this.#driver.engine.isOnline(id);
  }

  get onlineCount(): number {
    return this.#driver.engine.onlineCount;
  }

  /** What peers are told; `stored` is the last time the node was seen before this process. */
  of(id: NodeId, stored: number | undefined): Presence {
    return this.#driver.engine.of(id, stored);
  }

  /** The node has asked something, which makes it neither online nor forgotten. */
  heard(id: NodeId): void {
    this.#driver.input((engine) => engine.handleHeard(id, this.#wall()));
  }

  /** A stream of the node has opened; the returned function says that it has ended, at its first call. */
  opened(id: NodeId): () => void {
    const stream = this.#driver.input((engine) => engine.handleOpened(id, this.#wall()));
    return () => {
      this.#driver.input((engine, now) => engine.handleClosed(stream, now, this.#wall()));
    };
  }

  /** The node is offline at once: its key has expired. */
  end(id: NodeId): void {
    this.#driver.input((engine) => engine.handleEnd(id, this.#wall()));
  }

  /** The node was deleted. */
  remove(id: NodeId): void {
    this.#driver.input((engine) => engine.handleRemoved(id));
  }

  /** The server stops: nobody comes or goes from now on. Gives who was online and when last seen. */
  stop(): ReadonlyMap<NodeId, number> {
    const seen = this.#driver.input((engine) => engine.handleStop(this.#wall()));
    this.#driver.stop();
    return seen;
  }
}
