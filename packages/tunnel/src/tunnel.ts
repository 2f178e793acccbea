/**
 * WireGuard for any number of peers: packets to datagrams and back, and every rule of time.
 *
 * The packet path is not queued. {@link Tunnel.seal} makes a datagram in the caller's memory, and
 * {@link Tunnel.handleDatagram} opens one in place; in steady state neither makes anything. What the engine has
 * to say by itself (handshakes, keep-alives, packets that waited for a session) comes by `pollTransmit`.
 *
 * Where a peer is, the tunnel does not know: it names peers, and who drives it chooses the path. It tells
 * (`heard-from`) from where authentic messages come. Addresses are any bytes, the same for the same place.
 *
 * No datagram makes it throw, and it stays usable whatever comes: a fault is only told. A call of `handleTimeout`
 * does a bounded amount of work; when more is due, `pollTimeout` says so at once. Session keys are overwritten as
 * §6.3 has it; of what lies in memory that JavaScript has copied, nobody can promise that.
 *
 * Source: WireGuard paper §5, §6.
 */
import { equalBytes } from '@malla/base/bytes';
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey, keyBytes, type NodePublic } from '@malla/keys/key';
import { clamp, X25519_BYTES } from '@malla/keys/x25519';
import { AllowedIps } from './allowed-ips.ts';
import { Conversations, MAX_SOURCE_BYTES, PADDING_BYTES } from './conversations.ts';
import { CookieMaker } from './cookie.ts';
import { finish, type HandshakeFault, readStatic, readTimestamp, respond } from './handshake.ts';
import { destinationAt, familyOfPacket, headerBytes, sourceAt, statedLength } from './ip-packet.ts';
import type { OpenFault } from './keypair.ts';
import { CountedLoad, type HandshakeLoad } from './load.ts';
import { checkMac1, receiverKeys, type ReceiverKeys } from './macs.ts';
import {
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeResponse,
  type MessageFault,
  MessageType,
  messageType,
  readReceiver,
  TRANSPORT_HEADER_BYTES,
  TRANSPORT_OVERHEAD_BYTES,
} from './message.ts';
import { NEVER, Peer, type PeerConfig } from './peer.ts';
import { isLater } from './timestamp.ts';
import { INITIATION_EVERY_MS } from './timing.ts';
import type { TunnelEvent, TunnelTransmit } from './tunnel-event.ts';
import type { TunnelOptions } from './tunnel-options.ts';

/** Cookie replies that wait to be sent; further ones are not made. */
const MAX_COOKIE_REPLIES = 256;
/**
 * Why a datagram was dropped. `unknown-index`: of no session that we have. `cookie`: the sender was told to come
 * again with one. `busy`: under load its address has had its share, or there is no index left. `too-often`:
 * initiations faster than any honest peer's. `not-ip`, `not-allowed`: an authentic packet that is none, or has a
 * source that is not the peer's.
 */
export type DatagramFault =
  | MessageFault
  | HandshakeFault
  | OpenFault
  | 'mac'
  | 'cookie'
  | 'busy'
  | 'unknown-peer'
  | 'unknown-index'
  | 'too-often'
  | 'not-ip'
  | 'not-allowed';

/** What came of a datagram. One object, filled in again for each. */
export interface Received {
  kind: 'packet' | 'keep-alive' | 'handshake' | 'dropped';
  /** Whose it is, where that is certain. */
  peer: Peer | undefined;
  /** Where the packet is in the datagram's array, and how long. */
  at: number;
  length: number;
  fault: DatagramFault | undefined;
}

export class Tunnel implements Engine<TunnelEvent>, Transmitter<TunnelTransmit> {
  readonly #options: TunnelOptions;
  readonly #own: ReceiverKeys;
  readonly #load: HandshakeLoad;
  readonly #cookies: CookieMaker;
  readonly #peers = new Map<NodePublic, Peer>();
  readonly #allowedIps = new AllowedIps<Peer>();
  readonly #talks: Conversations;
  readonly #received: Received = {
    kind: 'dropped',
    peer: undefined,
    at: 0,
    length: 0,
    fault: undefined,
  };
  #cookieReplies = 0;

  constructor(now: Instant, options: TunnelOptions) {
    const { crypto, key, random } = options;
    this.#options = options;
    this.#talks = new Conversations(now, options);
    this.#load = options.load ?? new CountedLoad();
    this.#own = receiverKeys(crypto, key.publicBytes);
    this.#cookies = new CookieMaker(crypto, random, this.#own);
  }

  /** Peers that are known. */
  get size(): number {
    return this.#peers.size;
  }

  /** Indices in use: of sessions and of handshakes under way. */
  get indices(): number {
    return this.#talks.indices.size;
  }

  /** Bytes of packets that wait for a session. */
  get stagedBytes(): number {
    return this.#talks.budget.bytes;
  }

  /** The timestamp of our last initiation: kept on disk it outlives a clock that is set back between two runs. */
  get lastTimestamp(): Uint8Array | undefined {
    return this.#talks.lastTimestamp;
  }

  peer(key: NodePublic): Peer | undefined {
    return this.#peers.get(key);
  }

  /**
   * Makes a peer known, or changes what it may. Its sessions stay, unless the pre-shared key is another. Prefixes
   * that another peer had are this one's now.
   */
  setPeer(config: PeerConfig, now: Instant): Result<Peer, 'ourselves'> {
    if (equalBytes(keyBytes(config.key), this.#options.key.publicBytes)) return fail('ourselves');
    let peer = this.#peers.get(config.key);
    if (peer === undefined) {
      peer = new Peer(config);
      this.#peers.set(config.key, peer);
    } else {
      for (const prefix of peer.config.allowedIps) this.#allowedIps.release(prefix, peer);
      if (!samePsk(peer.config, config)) this.#talks.forget(peer);
      peer.config = config;
    }
    for (const prefix of config.allowedIps) this.#allowedIps.claim(prefix, peer);
    this.#talks.beginPersistence(peer, now);
    return ok(peer);
  }

  /** Forgets a peer, its sessions, and what waited for it. */
  removePeer(key: NodePublic): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    for (const prefix of peer.config.allowedIps) this.#allowedIps.release(prefix, peer);
    this.#talks.forget(peer);
    this.#peers.delete(key);
  }

  /** Whose the destination of a packet is: undefined also for what is no IP packet. */
  route(bytes: Uint8Array, at: number, length: number): Peer | undefined {
    const family = familyOfPacket(bytes, at, length);
    if (family === 0) return undefined;
    return this.#allowedIps.peerOf(family, bytes, destinationAt(family, at));
  }

  /**
   * Seals the packet at `at` of `packet` into a datagram at `intoAt` of `into`, and returns how long that is, at
   * most {@link sealedBytes} of the packet's length. A packet that lies in `into` already, where it goes
   * ({@link TRANSPORT_HEADER_BYTES} behind `intoAt`), is not copied.
   *
   * 0: there is no session. The packet is kept and a handshake begun; it goes out by `pollTransmit`.
   */
  seal(
    peer: Peer,
    packet: Uint8Array,
    at: number,
    length: number,
    into: Uint8Array,
    intoAt: number,
    now: Instant,
  ): number {
    const live = this.#talks.wake(peer, now);
    const keypair = live?.keypairs.current;
    if (keypair === undefined || !keypair.maySend(now)) {
      if (live !== undefined) this.#talks.stage(live, packet, at, length, now);
      return 0;
    }
    const padded = this.#talks.padded(length);
    const textAt = intoAt + TRANSPORT_HEADER_BYTES;
    if (intoAt + padded + TRANSPORT_OVERHEAD_BYTES > into.length) {
      throw new RangeError(`no room to seal ${length} bytes`);
    }
    if (packet !== into || at !== textAt) {
      if (packet === into) into.copyWithin(textAt, at, at + length);
      else for (let i = 0; i < length; i++) into[textAt + i] = packet[at + i] ?? 0;
    }
    for (let i = length; i < padded; i++) into[textAt + i] = 0;
    const sealed = keypair.seal(into, intoAt, padded);
    this.#talks.sent(keypair, true, now);
    return sealed;
  }

  /**
   * Seals the first `count` packets of `ats` and `lengths`, all in `bytes`, in place: each has room for a header
   * in front, and for padding and tag behind. `lengths` then says how long the datagrams are, which begin
   * {@link TRANSPORT_HEADER_BYTES} before. False: there is no session, and all packets wait for one as in
   * {@link seal}.
   */
  sealBatch(
    peer: Peer,
    bytes: Uint8Array,
    ats: Uint32Array,
    lengths: Uint32Array,
    count: number,
    now: Instant,
  ): boolean {
    const live = this.#talks.wake(peer, now);
    const keypair = live?.keypairs.current;
    if (keypair === undefined || !keypair.maySend(now, count)) {
      if (live === undefined) return false;
      for (let i = 0; i < count; i++) {
        this.#talks.stage(live, bytes, ats[i] ?? 0, lengths[i] ?? 0, now);
      }
      return false;
    }
    for (let i = 0; i < count; i++) {
      const [at = 0, length = 0] = [ats[i], lengths[i]];
      const padded = this.#talks.padded(length);
      if (at < TRANSPORT_HEADER_BYTES || at + padded + TRANSPORT_HEADER_BYTES > bytes.length) {
        throw new RangeError(`no room to seal ${length} bytes at ${at}`);
      }
      bytes.fill(0, at + length, at + padded);
      lengths[i] = padded;
    }
    keypair.sealBatch(bytes, ats, lengths, count);
    for (let i = 0; i < count; i++) lengths[i] = (lengths[i] ?? 0) + TRANSPORT_OVERHEAD_BYTES;
    this.#talks.sent(keypair, true, now);
    return true;
  }

  /**
   * Takes a datagram that came from `source`, which is only borrowed. A packet is opened where it lies; whatever
   * is dropped may be overwritten too. What is returned is good until the next call. Never throws.
   */
  handleDatagram(
    bytes: Uint8Array,
    at: number,
    length: number,
    source: Uint8Array,
    now: Instant,
  ): Received {
    const type = messageType(bytes, at, length);
    if (typeof type === 'string') return this.#drop(type);
    switch (type) {
      case MessageType.transport:
        return this.#onTransport(bytes, at, length, source, now);
      case MessageType.initiation:
        return this.#onInitiation(bytes.subarray(at, at + length), source, now);
      case MessageType.response:
        return this.#onResponse(bytes.subarray(at, at + length), source, now);
      case MessageType.cookieReply:
        return this.#onCookieReply(bytes.subarray(at, at + length), now);
    }
  }

  /** Sends an empty message, by way of a handshake where there is no session. */
  handleKeepalive(peer: Peer, now: Instant): void {
    const live = this.#talks.wake(peer, now);
    if (live !== undefined) this.#talks.keepalive(live, now);
  }

  handleTimeout(now: Instant): void {
    this.#talks.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#talks.pollTimeout();
  }

  pollTransmit(): TunnelTransmit | undefined {
    const transmit = this.#talks.transmits.shift();
    if (transmit?.to === 'source') this.#cookieReplies--;
    return transmit;
  }

  pollEvent(): TunnelEvent | undefined {
    return this.#talks.events.shift();
  }

  #onTransport(
    bytes: Uint8Array,
    at: number,
    length: number,
    source: Uint8Array,
    now: Instant,
  ): Received {
    const keypair = this.#talks.indices.get(readReceiver(bytes, at));
    if (keypair?.kind !== 'keypair') return this.#drop('unknown-index');
    const opened = keypair.open(bytes, at, length, now);
    if (typeof opened === 'string') return this.#drop(opened);
    const live = keypair.owner;
    this.#talks.heardFrom(live, source);
    // The peer has shown that it has the keys that we answered it with (§5.1).
    if (live.keypairs.confirm(keypair)) {
      this.#talks.establish(live, keypair);
      this.#talks.flush(live, now);
    }
    this.#talks.heard(live, now);
    if (opened > 0) this.#talks.heardData(live, now);
    this.#talks.followUpReceiving(live, keypair, now);
    this.#talks.schedule(live);
    return this.#packet(live.peer, bytes, at + TRANSPORT_HEADER_BYTES, opened);
  }

  /** The packet in what was opened, if its source is the peer's (§2). */
  #packet(peer: Peer, bytes: Uint8Array, at: number, length: number): Received {
    if (length === 0) return this.#tell('keep-alive', peer);
    const family = familyOfPacket(bytes, at, length);
    if (family === 0) return this.#drop('not-ip', peer);
    const stated = statedLength(family, bytes, at);
    if (stated > length || stated < headerBytes(family)) return this.#drop('not-ip', peer);
    if (this.#allowedIps.peerOf(family, bytes, sourceAt(family, at)) !== peer) {
      return this.#drop('not-allowed', peer);
    }
    const received = this.#tell('packet', peer);
    received.at = at;
    received.length = stated;
    return received;
  }

  #onInitiation(message: Uint8Array, source: Uint8Array, now: Instant): Received {
    const { crypto, key, importPrivate, random } = this.#options;
    if (!checkMac1(crypto, message, this.#own)) return this.#drop('mac');
    const decoded = decodeInitiation(message);
    if (!decoded.ok) return this.#drop(decoded.error);
    const refusal = this.#refusal(message, decoded.value.sender, source, now);
    if (refusal !== undefined) return this.#drop(refusal);
    const claimed = readStatic(crypto, key, decoded.value);
    if (!claimed.ok) return this.#drop(claimed.error);
    const peer = this.#peers.get(formatKey('nodekey', claimed.value.peer));
    if (peer === undefined) return this.#drop('unknown-peer');
    if (now - (peer.live?.heardInitiationAt ?? -Infinity) < INITIATION_EVERY_MS) {
      return this.#drop('too-often');
    }
    // Nothing is made for the peer yet: anybody may claim to be it.
    const staticShared = peer.live?.staticShared ?? key.sharedSecret(claimed.value.peer);
    if (staticShared === undefined) return this.#drop('low-order');
    const timestamp = readTimestamp(claimed.value, staticShared, decoded.value);
    if (!timestamp.ok) return this.#drop(timestamp.error);
    const { latestTimestamp } = peer;
    if (latestTimestamp !== undefined && !isLater(timestamp.value, latestTimestamp)) {
      return this.#drop('replay');
    }
    const ephemeral = importPrivate(clamp(random(X25519_BYTES)));
    const responded = respond(claimed.value, ephemeral, peer.config.presharedKey);
    if (!responded.ok) return this.#drop(responded.error);
    const live = peer.live ?? this.#talks.enliven(peer, claimed.value.peer, staticShared, now);
    const localIndex = this.#talks.indices.add(live);
    if (localIndex === undefined) return this.#drop('busy');
    peer.latestTimestamp = timestamp.value;
    live.heardInitiationAt = now;
    const { sender } = decoded.value;
    const keypair = this.#talks.keypair(live, responded.value.keys, false, localIndex, sender, now);
    live.keypairs.responded(keypair);
    this.#talks.heardFrom(live, source);
    this.#talks.heard(live, now);
    const { fields } = responded.value;
    this.#talks.speak(
      live,
      encodeResponse({ sender: localIndex, receiver: sender, ...fields }),
      now,
    );
    this.#talks.schedule(live);
    return this.#tell('handshake', peer);
  }

  #onResponse(message: Uint8Array, source: Uint8Array, now: Instant): Received {
    const { crypto } = this.#options;
    if (!checkMac1(crypto, message, this.#own)) return this.#drop('mac');
    const decoded = decodeResponse(message);
    if (!decoded.ok) return this.#drop(decoded.error);
    const { receiver, sender } = decoded.value;
    const live = this.#talks.indices.get(receiver);
    if (live?.kind !== 'handshake' || live.initiated?.index !== receiver) {
      return this.#drop('unknown-index');
    }
    const refusal = this.#refusal(message, sender, source, now);
    if (refusal !== undefined) return this.#drop(refusal);
    const { peer, initiated } = live;
    const keys = finish(initiated.state, decoded.value, peer.config.presharedKey);
    if (!keys.ok) return this.#drop(keys.error);
    live.initiated = undefined;
    live.retryAt = NEVER;
    const keypair = this.#talks.keypair(live, keys.value, true, receiver, sender, now);
    live.keypairs.initiated(keypair);
    this.#talks.heardFrom(live, source);
    this.#talks.heard(live, now);
    this.#talks.establish(live, keypair);
    // The responder may not send before it has a packet of ours (§5.1): if none waits, an empty one.
    if (live.staged.size > 0) this.#talks.flush(live, now);
    else this.#talks.keepalive(live, now);
    this.#talks.schedule(live);
    return this.#tell('handshake', peer);
  }

  #onCookieReply(message: Uint8Array, now: Instant): Received {
    const decoded = decodeCookieReply(message);
    if (!decoded.ok) return this.#drop(decoded.error);
    const entry = this.#talks.indices.get(decoded.value.receiver);
    if (entry === undefined) return this.#drop('unknown-index');
    const live = entry.kind === 'keypair' ? entry.owner : entry;
    const isTaken = live.jar.take(this.#options.crypto, live.receiverKeys, decoded.value, now);
    // It is shown when the initiation is next sent, not at once (§6.6).
    return isTaken ? this.#tell('handshake', live.peer) : this.#drop('not-authentic');
  }

  /** Under load: why a message of a handshake is not looked at. */
  #refusal(
    message: Uint8Array,
    sender: number,
    source: Uint8Array,
    now: Instant,
  ): DatagramFault | undefined {
    if (!this.#load.isUnderLoad(now)) return undefined;
    if (this.#cookies.check(message, source, now)) {
      return this.#load.admits(source, now) ? undefined : 'busy';
    }
    if (this.#cookieReplies >= MAX_COOKIE_REPLIES) return 'busy';
    this.#cookieReplies++;
    const datagram = this.#cookies.reply(message, sender, source, now);
    this.#talks.transmits.push({
      to: 'source',
      source: source.slice(0, MAX_SOURCE_BYTES),
      datagram,
    });
    return 'cookie';
  }

  #tell(kind: Received['kind'], peer: Peer | undefined): Received {
    const received = this.#received;
    received.kind = kind;
    received.peer = peer;
    received.at = 0;
    received.length = 0;
    received.fault = undefined;
    return received;
  }

  #drop(fault: DatagramFault, peer?: Peer): Received {
    const received = this.#tell('dropped', peer);
    received.fault = fault;
    return received;
  }
}

/** Room that sealing a packet of so many bytes takes at most. */
export function sealedBytes(length: number): number {
  return length + PADDING_BYTES - 1 + TRANSPORT_OVERHEAD_BYTES;
}

function samePsk(a: PeerConfig, b: PeerConfig): boolean {
  return equalBytes(a.presharedKey ?? new Uint8Array(), b.presharedKey ?? new Uint8Array());
}
