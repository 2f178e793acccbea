/** What the relay counts, as plain numbers: adding one costs nothing, and {@link ./metrics.ts} shows them. */

/** Why a connection ended. */
export const CLOSE_REASONS = [
  /** The client or the network ended it. */
  'left',
  /** No valid ClientInfo in time. */
  'handshake-timeout',
  /** Bytes that are not DERP, or not in order. */
  'protocol',
  /** The admission check said no. */
  'not-admitted',
  /** As many connections as allowed. */
  'too-many',
  /** Took nothing for 2 s, or was too far behind to be told anything. */
  'slow',
  /** A mesh peer asked for it. */
  'by-mesh-peer',
  /** The relay is stopping. */
  'stopping',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Why a packet was not passed on. */
export const DROP_REASONS = [
  /** Its destination is not connected. */
  'unknown-peer',
  /** An older packet made room in a full queue. */
  'queue-full',
  /** All queues together are full. */
  'memory',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface Counters {
  accepted: number;
  /** Of these, clients that did not wait for the HTTP response. */
  fastStarts: number;
  /** Connections that are open now, in their handshake or after it. */
  connections: number;
  /** Of these, admitted clients, mesh peers among them. */
  clients: number;
  meshPeers: number;
  /** Clients whose home this relay is. */
  homeClients: number;
  /** Connections beyond the first of their key. */
  duplicateClients: number;
  packetsIn: number;
  bytesIn: number;
  discoPacketsIn: number;
  packetsOut: number;
  bytesOut: number;
  forwardedPacketsIn: number;
  forwardedPacketsOut: number;
  pings: number;
  peerGoneSent: number;
  /** Times a client was made to wait because it sent faster than its rate. */
  rateLimited: number;
  /** Turns of the event loop in which something was written, and writes made. */
  turns: number;
  writes: number;
  readonly closed: Record<CloseReason, number>;
  readonly dropped: Record<DropReason, number>;
}

/** All zeros. */
export function newCounters(): Counters {
  return {
    accepted: 0,
    fastStarts: 0,
    connections: 0,
    clients: 0,
    meshPeers: 0,
    homeClients: 0,
    duplicateClients: 0,
    packetsIn: 0,
    bytesIn: 0,
    discoPacketsIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    forwardedPacketsIn: 0,
    forwardedPacketsOut: 0,
    pings: 0,
    peerGoneSent: 0,
    rateLimited: 0,
    turns: 0,
    writes: 0,
    closed: zeros(CLOSE_REASONS),
    dropped: zeros(DROP_REASONS),
  };
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
