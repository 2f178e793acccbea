/**
 * Which nodes are online: those with an open map stream, and for a grace period those whose stream
 * has just ended, so that a client that reconnects does not flap for its peers. And when the others were
 * last heard of, as far as this process knows.
 *
 * An engine of the one shape (@malla/base/engine); it has no faults. What is told of a node that was seen
 * is the wall clock's word, Unix ms, and an argument as well.
 */
import type { Engine, Instant } from '@malla/base/engine';
import type { NodeId } from '@malla/netmap/node';
import type { Presence } from '@malla/netmap/tailcfg-node';

/** How long a node without a stream still counts as online, ms. Observed: headscale uses 10 s. */
export const GRACE_MS = 10_000;

export type PresenceEvent =
  /** A node went online or offline. */
  | { readonly kind: 'turned'; readonly id: NodeId; readonly online: boolean }
  /** A stream of a node has opened, beside others maybe, or its last one has ended. */
  | { readonly kind: 'stream'; readonly id: NodeId; readonly open: boolean };

/** A stream that {@link PresenceEngine.handleOpened} was told of; ends once. */
export interface OpenStream {
  readonly id: NodeId;
  readonly entry: Entry | undefined;
  open: boolean;
}

interface Entry {
  online: boolean;
  streams: number;
  /** Unix ms of the last stream's end, or of the last request. */
  lastSeen: number;
}

export class PresenceEngine implements Engine<PresenceEvent> {
  readonly #entries = new Map<NodeId, Entry>();
  /** When the grace of a node ends. It is as long for all, so they are in order. */
  readonly #leaving = new Map<NodeId, Instant>();
  readonly #events: PresenceEvent[] = [];
  #onlineCount = 0;
  #isStopped = false;

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
  handleHeard(id: NodeId, wall: number): void {
    this.#entryOf(id, wall).lastSeen = wall;
  }

  /** A stream of the node has opened. */
  handleOpened(id: NodeId, wall: number): OpenStream {
    if (this.#isStopped) return { id, entry: undefined, open: false };
    const entry = this.#entryOf(id, wall);
    entry.streams++;
    this.#leaving.delete(id);
    this.#events.push({ kind: 'stream', id, open: true });
    if (!entry.online) {
      entry.online = true;
      this.#onlineCount++;
      this.#events.push({ kind: 'turned', id, online: true });
    }
    return { id, entry, open: true };
  }

  /** A stream has ended; the end of the last one begins the grace period. */
  handleClosed(stream: OpenStream, now: Instant, wall: number): void {
    const { id, entry, open } = stream;
    if (!open || entry === undefined) return;
    stream.open = false;
    entry.streams--;
    if (entry.streams === 0) this.#events.push({ kind: 'stream', id, open: false });
    if (!entry.online) return;
    entry.lastSeen = wall;
    if (entry.streams > 0) return;
    this.#leaving.delete(id);
    this.#leaving.set(id, now + GRACE_MS);
  }

  /** The node is offline at once: its key has expired. */
  handleEnd(id: NodeId, wall: number): void {
    const entry = this.#entries.get(id);
    if (entry?.online !== true) return;
    if (entry.streams > 0) entry.lastSeen = wall;
    this.#turnOff(id, entry);
    this.#events.push({ kind: 'turned', id, online: false });
  }

  /** The node was deleted. */
  handleRemoved(id: NodeId): void {
    const entry = this.#entries.get(id);
    if (entry?.online === true) this.#turnOff(id, entry);
    this.#entries.delete(id);
  }

  /** The server stops: nobody comes or goes from now on. Gives who was online and when last seen. */
  handleStop(wall: number): ReadonlyMap<NodeId, number> {
    this.#isStopped = true;
    const seen = new Map<NodeId, number>();
    for (const [id, entry] of this.#entries) {
      if (!entry.online) continue;
      seen.set(id, entry.streams > 0 ? wall : entry.lastSeen);
      this.#turnOff(id, entry);
    }
    return seen;
  }

  handleTimeout(now: Instant): void {
    for (const [id, at] of this.#leaving) {
      if (at > now) return;
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      this.#turnOff(id, entry);
      this.#events.push({ kind: 'turned', id, online: false });
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#leaving.values().next().value;
  }

  pollEvent(): PresenceEvent | undefined {
    return this.#events.shift();
  }

  #entryOf(id: NodeId, wall: number): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { online: false, streams: 0, lastSeen: wall };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #turnOff(id: NodeId, entry: Entry): void {
    this.#leaving.delete(id);
    entry.online = false;
    this.#onlineCount--;
  }
}
