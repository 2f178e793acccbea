/**
 * A client of the relay as the others see it: its connection, its session once it is admitted, and for its
 * node key all of its connections and those to whom it has sent something.
 */
import type { Source } from './source.ts';
import type { CloseReason } from './counters.ts';

export interface ClientConnection {
  readonly source: Source;
  /** The admitted client behind it, while it is open. */
  readonly session: ClientSession | undefined;
  /** Queues packets: RecvPacket frames that fill `start` to `end`, of which the bytes are copied. */
  deliver(bytes: Uint8Array, start: number, end: number, frames: number, disco: boolean): void;
  /** Queues a frame of the relay's own; a client that is too far behind is disconnected. */
  notify(frame: Uint8Array): void;
  /** Queues as many notices as there are, a few at a time. Replaces an earlier backlog. */
  notifyAll(frames: Iterator<Uint8Array>): void;
  /** Writes what waits, unless something is still being written. */
  flush(): void;
  /** Deadlines and keep-alives; called every now and then. */
  sweep(now: number): void;
  /** Stops reading until the returned function is called, once. Others may be holding it too. */
  holdReading(): () => void;
  /** Closes at once. */
  close(reason: CloseReason): void;
  /** Sends what waits, then closes. */
  end(): void;
}

export interface ClientSession {
  readonly connection: ClientConnection;
  readonly presence: Presence;
  /** Whether it is a server of the region that proved to hold the mesh key. */
  readonly isMeshPeer: boolean;
  /** Whether it only measures. */
  readonly isProber: boolean;
}

/** Peers that one node key is remembered to have sent to; the oldest are forgotten. */
const MAX_SENT_TO = 4096;

export class Presence {
  /** 32 raw bytes. */
  readonly key: Uint8Array;
  /** In order of arrival; more than one where a key is used twice. */
  readonly connections: ClientConnection[] = [];
  /** Which of them gets the packets: the last to have connected or sent anything. */
  active: ClientConnection;
  /** Made when first needed: most clients are silent. */
  #sentTo: Set<Presence> | undefined;
  #lastSentTo: Presence | undefined;

  constructor(key: Uint8Array, first: ClientConnection) {
    this.key = key;
    this.active = first;
  }

  get isHere(): boolean {
    return this.connections.length > 0;
  }

  /** Who wants to know when this key leaves. */
  get sentTo(): Iterable<Presence> {
    return this.#sentTo ?? [];
  }

  noteSentTo(destination: Presence): void {
    if (this.#lastSentTo === destination) return;
    this.#lastSentTo = destination;
    const sentTo = (this.#sentTo ??= new Set());
    sentTo.delete(destination); // so that it becomes the newest
    sentTo.add(destination);
    if (sentTo.size <= MAX_SENT_TO) return;
    const [oldest] = sentTo;
    if (oldest !== undefined) sentTo.delete(oldest);
  }
}
