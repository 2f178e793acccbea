/**
 * The client's end of a relay connection past its HTTP upgrade. After `ended` the engine is over: connect
 * anew.
 *
 * What a chunk completes is handed out as views of it where it can be, so a chunk must stay as it is until
 * the events of its input have been taken. They are as many as it has frames, so they need no bound of
 * their own; answers that nobody takes are dropped beyond {@link MAX_ANSWERS}. Packets that go out are not
 * kept here at all: {@link DerpClient.packetFrame} makes the frame, and whoever has the connection queues it.
 *
 * Source: docs/protocol/derp.md §§3-5, §9.
 */
import { equalBytes } from '@malla/base/bytes';
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import type { RandomBytes } from '@malla/base/random';
import { BOX_NONCE_BYTES, boxKey } from '@malla/keys/nacl-box';
import type { X25519Private } from '@malla/keys/x25519';
import {
  DERP_VERSION,
  FRAME_HEADER_BYTES,
  type FrameFault,
  FrameType,
  MAX_BODY_BYTES,
} from '@malla/wire/derp/frame';
import {
  decodeServerInfo,
  decodeServerKey,
  encodeClientInfo,
  type HandshakeFault,
  type ServerInfo,
} from '@malla/wire/derp/handshake';
import {
  decodeHealth,
  decodePeerGone,
  decodePeerPresent,
  decodePing,
  decodeRestarting,
  encodeNotePreferred,
  encodePing,
  encodePong,
  encodeWatchConns,
  MAX_HEALTH_BYTES,
  MAX_PING_BYTES,
  type NoticeFault,
  type PeerGone,
  type PeerPresent,
  type Restarting,
} from '@malla/wire/derp/notice';
import {
  type Addressed,
  decodeAddressed,
  encodeForwardPacket,
  encodeSendPacket,
  MAX_PACKET_BODY_BYTES,
  type PacketFault,
} from '@malla/wire/derp/packet';
import { FrameSplitter } from '@malla/wire/derp/splitter';

export interface DerpClientOptions {
  /** The node's key, by which others send to it. */
  readonly key: X25519Private;
  readonly random: RandomBytes;
  /** Of a server that joins another of its region. */
  readonly meshKey?: Uint8Array;
  /** A probe that is no user. */
  readonly isProber?: boolean;
}

export type DerpEvent =
  /** From now on packets may be sent. */
  | { readonly kind: 'ready'; readonly serverKey: Uint8Array; readonly info: ServerInfo }
  /** From `peer`. */
  | ({ readonly kind: 'packet' } & Addressed)
  | ({ readonly kind: 'peer-gone' } & PeerGone)
  /** Told to those who watch. */
  | ({ readonly kind: 'peer-present' } & PeerPresent)
  /** A ping of ours is answered: its eight bytes. */
  | { readonly kind: 'pong'; readonly payload: Uint8Array }
  /** Something is wrong with us as the server sees it; empty: it is over. */
  | { readonly kind: 'health'; readonly problem: string }
  | ({ readonly kind: 'restarting' } & Restarting)
  /** Last of all. */
  | { readonly kind: 'ended'; readonly why: DerpFault };

/**
 * `ourselves`: the server has our own key. `late`: no handshake in time. `silent`: no frame for too long,
 * though keep-alives should have come. `out-of-order`: a frame that only follows the handshake.
 */
export type DerpFault =
  | FrameFault
  | HandshakeFault
  | NoticeFault
  | PacketFault
  | 'ourselves'
  | 'late'
  | 'silent'
  | 'out-of-order'
  | 'closed';

/** How long the handshake may take, ms. */
export const HANDSHAKE_MS = 10_000;
/** Without a byte for so long the connection counts as dead, ms. Keep-alives come every 65 s at most. */
export const SILENCE_MS = 120_000;
/** Answers to pings that wait to be sent. */
export const MAX_ANSWERS = 32;

type State =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'introduced'; readonly serverKey: Uint8Array }
  | { readonly kind: 'ready' }
  | { readonly kind: 'over' };

/** The longest body of each frame that is read; others are skipped, whatever their length. */
const LIMITS: ReadonlyMap<number, number> = new Map([
  [FrameType.serverKey, MAX_BODY_BYTES],
  [FrameType.serverInfo, MAX_BODY_BYTES],
  [FrameType.recvPacket, MAX_PACKET_BODY_BYTES],
  [FrameType.peerGone, MAX_BODY_BYTES],
  [FrameType.peerPresent, MAX_BODY_BYTES],
  [FrameType.ping, MAX_PING_BYTES],
  [FrameType.pong, MAX_PING_BYTES],
  [FrameType.health, MAX_HEALTH_BYTES],
  [FrameType.restarting, MAX_BODY_BYTES],
]);

export class DerpClient implements Engine<DerpEvent>, Transmitter<Uint8Array> {
  readonly #options: DerpClientOptions;
  readonly #splitter: FrameSplitter;
  readonly #events: DerpEvent[] = [];
  readonly #transmits: Uint8Array[] = [];
  readonly #handshakeBy: Instant;
  #heardAt: Instant;
  #state: State = { kind: 'greeting' };

  /** The upgrade has been answered. */
  constructor(now: Instant, options: DerpClientOptions) {
    this.#options = options;
    this.#handshakeBy = now + HANDSHAKE_MS;
    this.#heardAt = now;
    this.#splitter = new FrameSplitter(
      (type) => LIMITS.get(type),
      (bytes, start, end) => {
        this.#take(bytes[start] ?? 0, bytes.subarray(start + FRAME_HEADER_BYTES, end));
        return this.#state.kind !== 'over';
      },
    );
  }

  /** Whether the handshake is over and the connection is not. */
  get isReady(): boolean {
    return this.#state.kind === 'ready';
  }

  /** Takes bytes that came. Never throws, whatever they are. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.#state.kind === 'over') return;
    this.#heardAt = now;
    const fault = this.#splitter.push(chunk);
    if (fault !== undefined && fault !== 'stopped') this.#end(fault);
  }

  /** The connection is lost. */
  handleClose(): void {
    this.#end('closed');
  }

  /** Says whether this relay is the node's home. */
  handlePreferred(isHome: boolean): void {
    if (this.isReady) this.#transmits.push(encodeNotePreferred(isHome));
  }

  /** Asks whether the server is there: eight bytes that `pong` gives back. */
  handlePing(payload: Uint8Array): void {
    if (this.isReady) this.#transmits.push(encodePing(payload));
  }

  /** Asks to be told of every client, as a mesh peer. */
  handleWatch(): void {
    if (this.isReady) this.#transmits.push(encodeWatchConns());
  }

  handleTimeout(now: Instant): void {
    if (this.#state.kind === 'over') return;
    if (this.#state.kind !== 'ready') {
      if (now >= this.#handshakeBy) this.#end('late');
    } else if (now >= this.#heardAt + SILENCE_MS) this.#end('silent');
  }

  pollTimeout(): Instant | undefined {
    if (this.#state.kind === 'over') return undefined;
    return this.#state.kind === 'ready' ? this.#heardAt + SILENCE_MS : this.#handshakeBy;
  }

  /** The next frame to be sent. */
  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): DerpEvent | undefined {
    return this.#events.shift();
  }

  /** The frame that sends a packet to a node. Throws on an over-long packet: our own bug. */
  packetFrame(destination: Uint8Array, packet: Uint8Array): Uint8Array {
    return encodeSendPacket(destination, packet);
  }

  /** The frame that passes on a packet of a client of ours, as a mesh peer. Throws as {@link packetFrame}. */
  forwardFrame(source: Uint8Array, destination: Uint8Array, packet: Uint8Array): Uint8Array {
    return encodeForwardPacket(source, destination, packet);
  }

  #take(type: number, body: Uint8Array): void {
    switch (this.#state.kind) {
      case 'over':
        return;
      case 'greeting':
        // Before it has said who it is, a server has nothing to say.
        return type === FrameType.serverKey ? this.#onServerKey(body) : this.#end('out-of-order');
      case 'introduced':
        if (type === FrameType.serverInfo) return this.#onServerInfo(this.#state.serverKey, body);
        return this.#end('out-of-order');
      case 'ready':
        return this.#onFrame(type, body);
    }
  }

  #onServerKey(body: Uint8Array): void {
    const { key, random, meshKey, isProber = false } = this.#options;
    const serverKey = decodeServerKey(body);
    if (!serverKey.ok) return this.#end(serverKey.error);
    if (equalBytes(serverKey.value, key.publicBytes)) return this.#end('ourselves');
    // Nothing can be sealed for a key of low order.
    if (boxKey(key, serverKey.value) === undefined) return this.#end('bad-key');
    this.#transmits.push(
      encodeClientInfo(key, serverKey.value, random(BOX_NONCE_BYTES), {
        version: DERP_VERSION,
        canAckPings: true,
        isProber,
        ...(meshKey === undefined ? {} : { meshKey }),
      }),
    );
    this.#state = { kind: 'introduced', serverKey: serverKey.value };
  }

  #onServerInfo(serverKey: Uint8Array, body: Uint8Array): void {
    const info = decodeServerInfo(this.#options.key, serverKey, body);
    if (!info.ok) return this.#end(info.error);
    this.#state = { kind: 'ready' };
    this.#events.push({ kind: 'ready', serverKey, info: info.value });
  }

  #onFrame(type: number, body: Uint8Array): void {
    switch (type) {
      case FrameType.recvPacket: {
        const packet = decodeAddressed(body);
        if (!packet.ok) return this.#end(packet.error);
        return void this.#events.push({ kind: 'packet', ...packet.value });
      }
      case FrameType.peerGone: {
        const gone = decodePeerGone(body);
        if (!gone.ok) return this.#end(gone.error);
        return void this.#events.push({ kind: 'peer-gone', ...gone.value });
      }
      case FrameType.peerPresent: {
        const present = decodePeerPresent(body);
        if (!present.ok) return this.#end(present.error);
        return void this.#events.push({ kind: 'peer-present', ...present.value });
      }
      case FrameType.ping: {
        const payload = decodePing(body);
        if (!payload.ok) return this.#end(payload.error);
        if (this.#transmits.length < MAX_ANSWERS) this.#transmits.push(encodePong(payload.value));
        return;
      }
      case FrameType.pong: {
        const payload = decodePing(body);
        if (!payload.ok) return this.#end(payload.error);
        return void this.#events.push({ kind: 'pong', payload: payload.value });
      }
      case FrameType.health: {
        const problem = decodeHealth(body);
        if (!problem.ok) return this.#end(problem.error);
        return void this.#events.push({ kind: 'health', problem: problem.value });
      }
      case FrameType.restarting: {
        const restarting = decodeRestarting(body);
        if (!restarting.ok) return this.#end(restarting.error);
        return void this.#events.push({ kind: 'restarting', ...restarting.value });
      }
      default: // the server's key again, which says nothing new
    }
  }

  #end(why: DerpFault): void {
    if (this.#state.kind === 'over') return;
    this.#state = { kind: 'over' };
    this.#transmits.length = 0;
    this.#events.push({ kind: 'ended', why });
  }
}
