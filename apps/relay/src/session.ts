/**
 * An admitted client: what its frames mean.
 *
 * The packet path is `#onPacket`: a SendPacket frame becomes a RecvPacket frame where it stands, since
 * both have the same length. Frames in a row for one destination are copied together, once, behind what
 * already waits for it.
 *
 * Source: docs/protocol/derp.md §4 and §5.
 */
import { KEY_BYTES } from '@malla/keys/key';
import type { ClientInfo } from '@malla/wire/derp/handshake';
import {
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_PACKET_BYTES,
  writeFrameHeader,
} from '@malla/wire/derp/frame';
import {
  decodeNotePreferred,
  decodePing,
  encodePeerGone,
  encodePong,
  GoneReason,
  MAX_PING_BYTES,
} from '@malla/wire/derp/notice';
import { looksLikeDisco, MAX_PACKET_BODY_BYTES } from '@malla/wire/derp/packet';
import type { ClientConnection, ClientSession, Presence } from './client.ts';
import { type Rate, TokenBucket } from './forward/token-bucket.ts';
import type { Hub } from './hub.ts';

/** How often a client is told that a peer is not here. */
const NOT_HERE_RATE: Rate = { perSecond: 1, burst: 3 };
/** Longest body of the frames that hold a key or a flag; what is behind it is of the future. */
const MAX_SMALL_BODY_BYTES = 1024;

/** Frames that are passed on together: a quarter of what may wait for a client. */
const MAX_RUN_BYTES = 32 * 1024;

interface Run {
  /** Where the frames stand; undefined when there are none. */
  bytes: Uint8Array | undefined;
  /** Where they go; kept for the next packet. */
  to: Presence | undefined;
  start: number;
  end: number;
  frames: number;
  disco: boolean;
}

/** The longest body wanted of a client's frame; undefined: not wanted. */
export function bodyLimit(type: number): number | undefined {
  switch (type) {
    case FrameType.sendPacket:
      return MAX_PACKET_BODY_BYTES;
    case FrameType.forwardPacket:
      return KEY_BYTES + MAX_PACKET_BODY_BYTES;
    case FrameType.ping:
      return MAX_PING_BYTES;
    case FrameType.notePreferred:
    case FrameType.watchConns:
    case FrameType.closePeer:
      return MAX_SMALL_BODY_BYTES;
    default:
      return undefined;
  }
}

export class Session implements ClientSession {
  readonly connection: ClientConnection;
  readonly presence: Presence;
  /** Whether it is a server of the region that proved to hold the mesh key. */
  readonly isMeshPeer: boolean;
  readonly isProber: boolean;
  readonly #hub: Hub;
  readonly #rate: TokenBucket | undefined;
  /** Whether reading is held because it sent faster than its rate. */
  #throttled = false;
  /** Frames in a row for one destination, which are copied at once. */
  readonly #run: Run = {
    bytes: undefined,
    to: undefined,
    start: 0,
    end: 0,
    frames: 0,
    disco: false,
  };
  #notHere: TokenBucket | undefined;
  #isHome = false;
  #pongWaits = false;
  #closed = false;

  constructor(hub: Hub, connection: ClientConnection, presence: Presence, info: ClientInfo) {
    this.#hub = hub;
    this.connection = connection;
    this.presence = presence;
    this.isMeshPeer = info.meshKey !== undefined;
    this.isProber = info.isProber;
    if (hub.rate !== undefined && !this.isMeshPeer) {
      this.#rate = new TokenBucket(hub.rate, hub.clock.now());
    }
  }

  /** A whole frame, from its header at `start` to `end`. The bytes may be changed. */
  onFrame(bytes: Uint8Array, start: number, end: number): void {
    if (this.presence.active !== this.connection) this.presence.active = this.connection;
    const bodyAt = start + FRAME_HEADER_BYTES;
    switch (bytes[start] ?? 0) {
      case FrameType.sendPacket:
        return this.#onPacket(bytes, start, end);
      case FrameType.ping:
        return this.#onPing(bytes.subarray(bodyAt, end));
      case FrameType.notePreferred:
        return this.#onNotePreferred(bytes.subarray(bodyAt, end));
      case FrameType.watchConns:
        return this.isMeshPeer ? this.#hub.watch(this) : this.#refuse();
      case FrameType.closePeer:
        if (!this.isMeshPeer || bodyAt + KEY_BYTES > end) return this.#refuse();
        return this.#hub.closePeer(bytes, bodyAt);
      case FrameType.forwardPacket:
        return this.#onForwarded(bytes, bodyAt, end);
      default: // bodyLimit wants no other
    }
  }

  /** What waited is being written: another pong may be queued. */
  onFlushed(): void {
    this.#pongWaits = false;
  }

  onClosed(): void {
    this.#closed = true;
    if (this.#isHome) this.#hub.counters.homeClients--;
  }

  /** Whatever was read is about to be overwritten: passes on what is still held. */
  onChunkEnd(): void {
    this.#passRunOn();
  }

  #onPacket(bytes: Uint8Array, start: number, end: number): void {
    const peerAt = start + FRAME_HEADER_BYTES;
    const packetAt = peerAt + KEY_BYTES;
    if (packetAt > end) return this.#refuse();
    const { counters } = this.#hub;
    counters.packetsIn++;
    counters.bytesIn += end - start;
    if (this.#rate !== undefined) this.#spend(this.#rate, end - start);
    const disco = looksLikeDisco(bytes, packetAt, end);
    if (disco) counters.discoPacketsIn++;
    const destination = this.#destination(bytes, peerAt);
    if (destination === undefined) return this.#onPacketElsewhere(bytes, start, end, disco);
    this.presence.noteSentTo(destination);
    bytes[start] = FrameType.recvPacket;
    bytes.set(this.presence.key, peerAt);
    const run = this.#run;
    const goesOn =
      run.bytes === bytes && run.end === start && run.disco === disco && run.to === destination;
    if (!goesOn || end - run.start > MAX_RUN_BYTES) {
      this.#passRunOn();
      run.bytes = bytes;
      run.to = destination;
      run.start = start;
      run.disco = disco;
    }
    run.end = end;
    run.frames++;
  }

  /** A packet for somebody who is at another server of the region, or nowhere. */
  #onPacketElsewhere(bytes: Uint8Array, start: number, end: number, disco: boolean): void {
    const { counters } = this.#hub;
    const packetAt = start + FRAME_HEADER_BYTES + KEY_BYTES;
    const peer = bytes.subarray(start + FRAME_HEADER_BYTES, packetAt);
    const forwarder = this.#hub.findRemote(peer);
    if (forwarder !== undefined) {
      counters.forwardedPacketsOut++;
      forwarder.forward(this.presence.key, peer, bytes.subarray(packetAt, end), disco);
      return;
    }
    counters.dropped['unknown-peer']++;
    if (disco) this.#tellNotHere(peer);
  }

  /** The peer at `at`; most packets go where the last one went. */
  #destination(bytes: Uint8Array, at: number): Presence | undefined {
    const last = this.#run.to;
    if (last !== undefined && last.isHere && isKeyAt(bytes, at, last.key)) return last;
    return this.#hub.find(bytes, at);
  }

  #passRunOn(): void {
    const { bytes, to, start, end, disco, frames } = this.#run;
    if (bytes === undefined || to === undefined) return;
    this.#run.bytes = undefined;
    this.#run.frames = 0;
    to.active.deliver(bytes, start, end, frames, disco);
  }

  /**
   * A packet from a client of a mesh peer, for one of ours. Packets go one hop between servers, so
   * where the destination is not here either it is dropped.
   */
  #onForwarded(bytes: Uint8Array, sourceAt: number, end: number): void {
    const peerAt = sourceAt + KEY_BYTES;
    const packetAt = peerAt + KEY_BYTES;
    if (!this.isMeshPeer || packetAt > end || end - packetAt > MAX_PACKET_BYTES) {
      return this.#refuse();
    }
    const { counters } = this.#hub;
    counters.forwardedPacketsIn++;
    counters.bytesIn += end - sourceAt + FRAME_HEADER_BYTES;
    const destination = this.#hub.find(bytes, peerAt);
    if (destination === undefined) {
      counters.dropped['unknown-peer']++;
      return;
    }
    // The source moves into the destination's place, and the new header before it.
    bytes.copyWithin(peerAt, sourceAt, peerAt);
    const start = peerAt - FRAME_HEADER_BYTES;
    writeFrameHeader(bytes, start, FrameType.recvPacket, end - peerAt);
    destination.active.deliver(bytes, start, end, 1, looksLikeDisco(bytes, packetAt, end));
  }

  /** Charges the client; one in debt is not read until it is even, so TCP slows it down. */
  #spend(rate: TokenBucket, bytes: number): void {
    const { clock, counters } = this.#hub;
    const now = clock.now();
    rate.spend(bytes, now);
    if (this.#throttled) return;
    const debtMs = rate.debtMs(now);
    if (debtMs === 0) return;
    this.#throttled = true;
    counters.rateLimited++;
    const release = this.connection.holdReading();
    const tryAgain = (): void => {
      const restMs = this.#closed ? 0 : rate.debtMs(clock.now());
      if (restMs > 0) {
        clock.after(restMs, tryAgain);
        return;
      }
      this.#throttled = false;
      release();
    };
    clock.after(debtMs, tryAgain);
  }

  #tellNotHere(peer: Uint8Array): void {
    const now = this.#hub.clock.now();
    this.#notHere ??= new TokenBucket(NOT_HERE_RATE, now);
    if (!this.#notHere.trySpend(1, now)) return;
    this.#hub.counters.peerGoneSent++;
    this.connection.notify(encodePeerGone(peer, GoneReason.notHere));
  }

  #onPing(body: Uint8Array): void {
    const payload = decodePing(body);
    if (!payload.ok) return this.#refuse();
    this.#hub.counters.pings++;
    if (this.#pongWaits) return;
    this.#pongWaits = true;
    this.connection.notify(encodePong(payload.value));
  }

  #onNotePreferred(body: Uint8Array): void {
    const isHome = decodeNotePreferred(body);
    if (!isHome.ok) return this.#refuse();
    if (isHome.value === this.#isHome) return;
    this.#isHome = isHome.value;
    this.#hub.counters.homeClients += isHome.value ? 1 : -1;
  }

  #refuse(): void {
    this.connection.close('protocol');
  }
}

function isKeyAt(bytes: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let i = 0; i < KEY_BYTES; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}
