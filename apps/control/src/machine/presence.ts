/**
 * Which nodes are online: those with an open map stream, and for a grace period those whose stream
 * has just ended, so that a client that reconnects does not flap for its peers. And when the others were
 * last heard of, as far as this process knows.
 */
import type { NodeId } from '@malla/netmap/node';
import type { Presence } from '@malla/netmap/tailcfg-node';

/** How long a node without a stream still counts as online, ms. Observed: headscale uses 10 s. */
export const GRACE_MS = 10_000;

interface Entry {
  online: boolean;
  streams: number;
  /** Unix ms of the last stream's end, or of the last request. */
  lastSeen: number;
  /** Cancels the end of the grace period. */
  cancel: (() => void) | undefined;
}

export interface PresenceOptions {
  /** Unix ms. */
  readonly now: () => number;
  /** Calls back after so many ms, unless the returned function is called first. */
  readonly after: (delayMs: number, task: () => void) => () => void;
  /** A node went online or offline. */
  readonly onTurn: (id: NodeId, online: boolean) => void;
  /** A stream of a node has opened, beside others maybe, or its last one has ended. */
  readonly onStream: (id: NodeId, open: boolean) => void;
}

export class Presences {
  readonly #entries = new Map<NodeId, Entry>();
  readonly #options: PresenceOptions;
  #onlineCount = 0;
  #stopped = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  isOnline(id: NodeId): boolean {
    return this.#entries.get(id)?.online === true;
  }

  get onlineCount(): number {
    return this.#onlineCount;
  }

  /** What peers are told; `stored` is the last time the node was seen before this process. */
  of(id: NodeId, stored: number | undefined): Presence {
    const entry = this.#entries.get(id);
    return { online: entry?.online === true, lastSeen: entry?.lastSeen ?? stored };
  }

  /** The node has asked something, which makes it neither online nor forgotten. */
  heard(id: NodeId): void {
    this.#entryOf(id).lastSeen = this.#options.now();
  }

  /**
   * A stream of the node has opened; the returned function says that it has ended, at its first call. The
   * end of the last stream begins the grace period.
   */
  opened(id: NodeId): () => void {
    if (this.#stopped) return () => {};
    const entry = this.#entryOf(id);
    entry.streams++;
    entry.cancel?.();
    entry.cancel = undefined;
    this.#options.onStream(id, true);
    if (!entry.online) {
      entry.online = true;
      this.#onlineCount++;
      this.#options.onTurn(id, true);
    }
    let open = true;
    return () => {
      if (open) this.#closed(id, entry);
      open = false;
    };
  }

  /** The node is offline at once: its key has expired, or its grace is over. */
  end(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry?.online !== true) return;
    if (entry.streams > 0) entry.lastSeen = this.#options.now();
    this.#turnOff(entry);
    this.#options.onTurn(id, false);
  }

  /** The node was deleted. */
  remove(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry?.online === true) this.#turnOff(entry);
    this.#entries.delete(id);
  }

  /** The server stops: nobody comes or goes from now on. Gives who was online and when last seen. */
  stop(): ReadonlyMap<NodeId, number> {
    this.#stopped = true;
    const seen = new Map<NodeId, number>();
    for (const [id, entry] of this.#entries) {
      if (!entry.online) continue;
      seen.set(id, entry.streams > 0 ? this.#options.now() : entry.lastSeen);
      this.#turnOff(entry);
    }
    return seen;
  }

  #entryOf(id: NodeId): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { online: false, streams: 0, lastSeen: this.#options.now(), cancel: undefined };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #closed(id: NodeId, entry: Entry): void {
    entry.streams--;
    if (entry.streams === 0) this.#options.onStream(id, false);
    if (!entry.online) return;
    entry.lastSeen = this.#options.now();
    if (entry.streams > 0) return;
    entry.cancel = this.#options.after(GRACE_MS, () => this.end(id));
  }

  #turnOff(entry: Entry): void {
    entry.cancel?.();
    entry.cancel = undefined;
    entry.online = false;
    this.#onlineCount--;
  }
}
