/**
 * The DERP relay: all its clients, and the turns in which their packets are passed on.
 *
 * It owns no port. Whoever terminates HTTP (a listener of its own, or the control server's) hands over
 * upgraded connections with {@link RelayServer.accept}.
 *
 * A *turn* is one round of the event loop: every socket that has something is read, packets are put
 * behind what waits for their destinations, and at the end each destination is written to once. Then
 * the {@link Pacer} says how long to wait before the next. While little flows nothing waits for the end of
 * a turn.
 *
 * Source: docs/protocol/derp.md; docs/performance.md §Relay.
 */
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import {
  encodeHealth,
  encodePeerGone,
  encodeRestarting,
  GoneReason,
} from '@malla/wire/derp/notice';
import type { Clock } from '@malla/platform/clock';
import { Connection } from './connection.ts';
import { type CloseReason, type Counters, newCounters } from './counters.ts';
import { BufferPool } from './forward/buffer-pool.ts';
import { block, GATHER_MS, Pacer } from './forward/pacer.ts';
import type { Rate } from './forward/token-bucket.ts';
import type { Admit, Hub } from './hub.ts';
import type { Source } from './source.ts';
import type { Link } from '@malla/platform/link/link';
import { MeshWatchers } from './mesh/watchers.ts';
import { type Forwarder, Remotes } from './mesh/remotes.ts';
import { PresenceTable } from './presence.ts';
import type { ClientConnection, ClientSession, Presence } from './client.ts';

export interface RelayOptions {
  readonly key: X25519Private;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly admit: Admit;
  /** Whether one that was admitted may stay; asked at every keep-alive. Default: as long as it likes. */
  readonly mayStay?: (node: NodePublic) => boolean;
  /** Whether an admitted client is known for more than a key that it has made itself. Default: none is. */
  readonly isKnown?: (node: NodePublic) => boolean;
  /** Connections at a time, in their handshake or after it. */
  readonly maxConnections: number;
  /** What one client may send. `burst` is at least {@link MIN_BURST_BYTES}. Default: no limit. */
  readonly rate?: Rate | undefined;
  /** 32 bytes that the servers of a region share. */
  readonly meshKey?: Uint8Array | undefined;
  /** How long packets may gather while many flow, ms; 0 turns it off. */
  readonly gatherMs?: number;
}

/** A whole frame of full size: with a smaller burst no such packet could ever be sent. */
export const MIN_BURST_BYTES = 64 * 1024 + 5 + 32;
/** Bytes that may wait to be written to all clients together. */
const MAX_WAITING_BYTES = 256 << 20;
const SWEEP_MS = 500;
/** How long clients have to take the last that was said to them. */
const FAREWELL_MS = 1_000;

export class RelayServer implements Hub {
  readonly key: X25519Private;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly admit: Admit;
  readonly mayStay: (node: NodePublic) => boolean;
  readonly isKnown: (node: NodePublic) => boolean;
  readonly rate: Rate | undefined;
  readonly meshKey: Uint8Array | undefined;
  readonly pool: BufferPool = new BufferPool(MAX_WAITING_BYTES);
  readonly counters: Counters = newCounters();
  /** Clients of the region's other servers; {@link MeshClient}s fill it. */
  readonly remotes: Remotes = new Remotes();
  readonly #maxConnections: number;
  readonly #connections = new Set<ClientConnection>();
  /** Of these, those that are not admitted yet, the oldest first. */
  readonly #greeting = new Set<ClientConnection>();
  readonly #presences = new PresenceTable();
  readonly #watchers = new MeshWatchers();
  readonly #pacer: Pacer;
  #dirty: ClientConnection[] = [];
  #nextTurn: (() => void)[] = [];
  #turnScheduled = false;
  #turn = 0;
  #health = '';
  #stopping = false;
  #cancelSweep: () => void;
  #onEmpty: (() => void) | undefined;

  constructor(options: RelayOptions) {
    if (options.rate !== undefined && options.rate.burst < MIN_BURST_BYTES) {
      throw new RangeError(`a burst has at least ${MIN_BURST_BYTES} bytes`);
    }
    this.key = options.key;
    this.random = options.random;
    this.clock = options.clock;
    this.log = options.log;
    this.admit = options.admit;
    this.mayStay = options.mayStay ?? (() => true);
    this.isKnown = options.isKnown ?? (() => false);
    this.rate = options.rate;
    this.meshKey = options.meshKey;
    this.#maxConnections = options.maxConnections;
    this.#pacer = new Pacer(options.gatherMs ?? GATHER_MS, options.clock.now());
    this.#cancelSweep = this.clock.after(SWEEP_MS, () => this.#sweep());
  }

  get isBusy(): boolean {
    return this.#pacer.isBusy;
  }

  get turn(): number {
    return this.#turn;
  }

  /** Bytes that wait to be written, in whole buffers. */
  get waitingBytes(): number {
    return this.pool.lentBytes;
  }

  /**
   * Takes over a connection after its HTTP upgrade. `preamble` is what is still to be written before
   * the first frame: the HTTP response, or nothing. `head` is what came behind the request.
   */
  accept(link: Link, source: Source, preamble: Uint8Array, head: Buffer): void {
    this.counters.accepted++;
    const refusal: CloseReason | undefined = this.#stopping
      ? 'stopping'
      : this.#makeRoom()
        ? undefined
        : 'too-many';
    if (refusal !== undefined) {
      this.counters.closed[refusal]++;
      link.destroy();
      return;
    }
    const connection = new Connection(this, link, source);
    this.#connections.add(connection);
    this.#greeting.add(connection);
    this.counters.connections++;
    connection.start(preamble, head);
  }

  /** Shows a problem of the relay to the users of all clients, present and to come; '' takes it back. */
  setHealth(problem: string): void {
    if (problem === this.#health) return;
    this.#health = problem;
    const frame = encodeHealth(problem);
    for (const connection of this.#connections) if (connection.session) connection.notify(frame);
  }

  /**
   * Stops: tells clients when to come back and for how long to try, and ends their connections.
   * Resolves when all are closed.
   */
  async stop(comeBack: {
    readonly reconnectInMs: number;
    readonly tryForMs: number;
  }): Promise<void> {
    this.#stopping = true;
    this.#cancelSweep();
    const frame = encodeRestarting(comeBack);
    for (const connection of this.#connections) {
      if (connection.session) connection.notify(frame);
      connection.end();
    }
    if (this.#connections.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const cancel = this.clock.after(FAREWELL_MS, () => {
      for (const connection of this.#connections) connection.close('stopping');
    });
    await promise;
    cancel();
  }

  join(connection: ClientConnection, key: Uint8Array): Presence {
    const presence = this.#presences.add(key, connection);
    if (presence.connections.length > 1) this.counters.duplicateClients++;
    return presence;
  }

  /** The client has been answered. */
  opened(session: ClientSession): void {
    this.#greeting.delete(session.connection);
    this.counters.clients++;
    if (session.isMeshPeer) this.counters.meshPeers++;
    if (session.presence.connections.length === 1) this.#watchers.present(session);
    if (this.#health !== '') session.connection.notify(encodeHealth(this.#health));
  }

  leave(connection: ClientConnection, session: ClientSession | undefined): void {
    this.#connections.delete(connection);
    this.#greeting.delete(connection);
    this.counters.connections--;
    if (session !== undefined) this.#leaveClients(connection, session);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  find(bytes: Uint8Array, at: number): Presence | undefined {
    return this.#presences.find(bytes, at);
  }

  findRemote(key: Uint8Array): Forwarder | undefined {
    return this.remotes.find(key);
  }

  flushSoon(connection: ClientConnection): void {
    this.#dirty.push(connection);
    this.#scheduleTurn();
  }

  onNextTurn(callback: () => void): void {
    this.#nextTurn.push(callback);
    this.#scheduleTurn();
  }

  watch(session: ClientSession): void {
    this.#watchers.add(session, this.#presences.all());
  }

  closePeer(bytes: Uint8Array, at: number): void {
    const presence = this.#presences.find(bytes, at);
    for (const connection of presence?.connections.slice() ?? []) connection.close('by-mesh-peer');
  }

  /**
   * Whether there is room for one more connection, if need be that of the one which has been there for
   * longest without being admitted: who only connects keeps nobody out.
   */
  #makeRoom(): boolean {
    if (this.#connections.size < this.#maxConnections) return true;
    const [oldest] = this.#greeting;
    oldest?.close('too-many');
    return oldest !== undefined;
  }

  #leaveClients(connection: ClientConnection, session: ClientSession): void {
    const { presence } = session;
    this.counters.clients--;
    if (session.isMeshPeer) this.counters.meshPeers--;
    if (presence.connections.length > 1) this.counters.duplicateClients--;
    this.#watchers.remove(session);
    if (!this.#presences.remove(presence, connection) || this.#stopping) return;
    const gone = encodePeerGone(presence.key, GoneReason.disconnected);
    for (const peer of presence.sentTo) {
      if (peer === presence) continue;
      this.counters.peerGoneSent++;
      for (const other of peer.connections) other.notify(gone);
    }
    this.#watchers.gone(gone);
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#turnScheduled = false;
    this.#turn++;
    this.counters.turns++;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
    const callbacks = this.#nextTurn;
    this.#nextTurn = [];
    for (const callback of callbacks) callback();
    const waitMs = this.#pacer.endTurn(this.clock.now(), this.counters.bytesIn);
    if (waitMs > 0) block(waitMs);
  }

  #sweep(): void {
    const now = this.clock.now();
    for (const connection of this.#connections) connection.sweep(now);
    if (!this.#stopping) this.#cancelSweep = this.clock.after(SWEEP_MS, () => this.#sweep());
  }
}
