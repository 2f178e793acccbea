/**
 * Which nodes are online: those with an open map stream, and for a grace period those whose stream
 * has just ended, so that a client that reconnects does not flap for its peers.
 */
import type { NodeId } from '@malla/netmap/node';
import type { Presence } from '@malla/netmap/tailcfg-node';

/** How long a node without a stream still counts as online, ms. Observed: headscale uses 10 s. */
export const GRACE_MS = 10_000;

interface Entry {
  streams: number;
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
}

export class Presences {
  readonly #entries = new Map<NodeId, Entry>();
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  isOnline(id: NodeId): boolean {
    return this.#entries.has(id);
  }

  get onlineCount(): number {
    return this.#entries.size;
  }

  /** What peers are told; `stored` is the last time the node was seen before this process. */
  of(id: NodeId, stored: number | undefined): Presence {
    const entry = this.#entries.get(id);
    return { online: entry !== undefined, lastSeen: entry?.lastSeen ?? stored };
  }

  /** A stream of the node has opened. */
  opened(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      this.#entries.set(id, { streams: 1, lastSeen: this.#options.now(), cancel: undefined });
      this.#options.onTurn(id, true);
      return;
    }
    entry.streams++;
    entry.cancel?.();
    entry.cancel = undefined;
  }

  /** A stream of the node has ended. The last one begins the grace period. */
  closed(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.streams === 0) return;
    entry.streams--;
    entry.lastSeen = this.#options.now();
    if (entry.streams > 0) return;
    entry.cancel = this.#options.after(GRACE_MS, () => this.forget(id));
  }

  /** The node is offline at once: it logged out, expired, was deleted, or its grace is over. */
  forget(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.cancel?.();
    this.#entries.delete(id);
    this.#options.onTurn(id, false);
  }

  /** Ends all grace periods, without a word: the server stops. */
  stop(): void {
    for (const entry of this.#entries.values()) entry.cancel?.();
    this.#entries.clear();
  }
}
