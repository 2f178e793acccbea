/** What the connections of one relay share, and what they ask of it. {@link RelayServer} is the hub. */
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { Clock } from '@malla/platform/clock';
import type { ClientConnection, ClientSession, Presence } from './client.ts';
import type { Counters } from './counters.ts';
import type { BufferPool } from './forward/buffer-pool.ts';
import type { Rate } from './forward/token-bucket.ts';
import type { Forwarder } from './mesh/remotes.ts';

/**
 * Whether a client that holds this node key may be served. A rejection counts as no; the answer is
 * awaited for as long as the handshake may take.
 */
export type Admit = (node: NodePublic, source: string) => boolean | Promise<boolean>;

export interface Hub {
  readonly key: X25519Private;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pool: BufferPool;
  readonly counters: Counters;
  readonly admit: Admit;
  /** Whether one that was admitted may stay; asked at every keep-alive. */
  readonly mayStay: (node: NodePublic) => boolean;
  /** Whether an admitted client is known for more than a key that it has made itself. */
  readonly isKnown: (node: NodePublic) => boolean;
  /** What one client may send, in bytes; undefined: as much as it can. */
  readonly rate: Rate | undefined;
  /** 32 bytes that the servers of a region share; undefined: there are no others. */
  readonly meshKey: Uint8Array | undefined;
  /** Makes a client known. Called before the client is answered, so that nothing sent to it is lost. */
  join(connection: ClientConnection, key: Uint8Array): Presence;
  /** The client has been answered. */
  opened(session: ClientSession): void;
  /** The connection is over; `session` where it had been admitted. */
  leave(connection: ClientConnection, session: ClientSession | undefined): void;
  /** The holder of the 32-byte key at `at`. */
  find(bytes: Uint8Array, at: number): Presence | undefined;
  /** The holder of a 32-byte key at another server of the region. */
  findRemote(key: Uint8Array): Forwarder | undefined;
  /** Has {@link ClientConnection.flush} called at the end of this turn of the event loop. */
  flushSoon(connection: ClientConnection): void;
  /** Whether packets are gathered until the end of a turn; otherwise they are written at once. */
  readonly isBusy: boolean;
  /** Number of the current turn. */
  readonly turn: number;
  /** Has the callback called at the end of this turn. */
  onNextTurn(callback: () => void): void;
  /** Tells a mesh peer of all clients, now and from now on. */
  watch(session: ClientSession): void;
  /** Disconnects the holder of the 32-byte key at `at`. */
  closePeer(bytes: Uint8Array, at: number): void;
}
