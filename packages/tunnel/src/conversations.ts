/**
 * All peers that talk, by the rules of §6: when a handshake is begun, tried again and given up, when a keep-alive
 * goes out, when keys are overwritten. What comes and goes is told to it by `tunnel.ts`, which reads datagrams.
 *
 * All timers of all peers are one heap. Most rules are armed and disarmed by each packet, which only writes a
 * number: a peer stands in the heap for the earliest moment that was ever armed, and is looked at then.
 *
 * Source: WireGuard paper §6.
 */
import { equalBytes } from '@malla/base/bytes';
import { Deadlines } from '@malla/base/deadlines';
import type { Instant } from '@malla/base/engine';
import { keyBytes } from '@malla/keys/key';
import { clamp, X25519_BYTES } from '@malla/keys/x25519';
import { initiate, type SessionKeys } from './handshake.ts';
import { IndexTable } from './index-table.ts';
import { Keypair } from './keypair.ts';
import { receiverKeys, writeMacs } from './macs.ts';
import { encodeInitiation, TRANSPORT_HEADER_BYTES, TRANSPORT_OVERHEAD_BYTES } from './message.ts';
import { LivePeer, NEVER, type Peer } from './peer.ts';
import { StagedBudget } from './staged.ts';
import { Timestamps } from './timestamp.ts';
import {
  FORGET_AFTER_MS,
  JITTER_MS,
  KEEPALIVE_TIMEOUT_MS,
  REJECT_AFTER_MESSAGES,
  REJECT_AFTER_MS,
  REKEY_AFTER_MESSAGES,
  REKEY_AFTER_MS,
  REKEY_ATTEMPT_MS,
  REKEY_TIMEOUT_MS,
} from './timing.ts';
import type { TunnelEvent, TunnelTransmit } from './tunnel-event.ts';
import { DEFAULT_MTU, type TunnelOptions } from './tunnel-options.ts';

/** Padding is to a multiple of so many bytes (§5.4.6). */
export const PADDING_BYTES = 16;
/** Longest address, bytes. */
export const MAX_SOURCE_BYTES = 64;

/** Peers whose timers one call looks at: each may make a handshake. */
const MAX_TIMERS_AT_ONCE = 64;

export class Conversations {
  /** Sessions, and peers that we have sent an initiation. */
  readonly indices: IndexTable<Keypair<LivePeer> | LivePeer>;
  readonly budget = new StagedBudget();
  readonly events: TunnelEvent[] = [];
  readonly transmits: TunnelTransmit[] = [];
  readonly #options: TunnelOptions;
  readonly #timestamps: Timestamps;
  readonly #mtu: number;
  readonly #rekeyAfterMessages: number;
  readonly #rejectAfterMessages: number;
  readonly #deadlines = new Deadlines<LivePeer>();
  /** Of our last initiation. */
  lastTimestamp: Uint8Array | undefined;

  constructor(now: Instant, options: TunnelOptions) {
    this.#options = options;
    this.#mtu = options.mtu ?? DEFAULT_MTU;
    this.#rekeyAfterMessages = options.rekeyAfterMessages ?? REKEY_AFTER_MESSAGES;
    this.#rejectAfterMessages = options.rejectAfterMessages ?? REJECT_AFTER_MESSAGES;
    this.#timestamps = new Timestamps(options.unixMs, now, options.notBefore);
    this.indices = new IndexTable(options.random);
  }

  /** See {@link Engine}. */
  handleTimeout(now: Instant): void {
    for (let i = 0; i < MAX_TIMERS_AT_ONCE; i++) {
      const live = this.#deadlines.takeDue(now);
      if (live === undefined) return;
      live.scheduledAt = NEVER;
      this.#onDue(live, now);
    }
  }

  /** See {@link Engine}. */
  pollTimeout(): Instant | undefined {
    return this.#deadlines.first();
  }

  /** A session has been agreed on. */
  keypair(
    live: LivePeer,
    keys: SessionKeys,
    isInitiator: boolean,
    localIndex: number,
    remoteIndex: number,
    now: Instant,
  ): Keypair<LivePeer> {
    const keypair = new Keypair<LivePeer>({
      owner: live,
      keys,
      aead: this.#options.aead,
      isInitiator,
      localIndex,
      remoteIndex,
      createdAt: now,
      rejectAfterMessages: this.#rejectAfterMessages,
    });
    this.indices.replace(localIndex, keypair);
    live.forgetAt = now + FORGET_AFTER_MS;
    return keypair;
  }

  /** A session may be used. */
  establish(live: LivePeer, keypair: Keypair<LivePeer>): void {
    live.isFollowedUp = false;
    const { isInitiator } = keypair;
    this.events.push({ kind: 'established', peer: live.peer, isInitiator });
  }

  /** Begins a handshake, unless one was begun or answered less than REKEY_TIMEOUT ago (§6.4). */
  initiate(live: LivePeer, now: Instant): void {
    if (now - live.spokenAt < REKEY_TIMEOUT_MS) {
      if (live.retryAt === NEVER) live.retryAt = live.spokenAt + REKEY_TIMEOUT_MS + live.jitterMs;
      return;
    }
    const { crypto, key, importPrivate, random } = this.#options;
    this.#abandon(live);
    const timestamp = this.#timestamps.next(now);
    const made = initiate({
      crypto,
      own: key,
      ephemeral: importPrivate(clamp(random(X25519_BYTES))),
      peer: live.key,
      staticShared: live.staticShared,
      timestamp,
    });
    const index = made.ok ? this.indices.add(live) : undefined;
    live.jitterMs = this.#jitter();
    live.retryAt = now + REKEY_TIMEOUT_MS + live.jitterMs;
    if (!made.ok || index === undefined) return;
    this.lastTimestamp = timestamp;
    live.initiated = { state: made.value.state, index };
    this.speak(live, encodeInitiation({ sender: index, ...made.value.fields }), now);
  }

  /** Sends a message of a handshake. */
  speak(live: LivePeer, message: Uint8Array, now: Instant): void {
    const cookie = live.jar.current(now);
    live.jar.noteSent(writeMacs(this.#options.crypto, message, live.receiverKeys, cookie));
    live.spokenAt = now;
    this.spoke(live, now);
    this.transmits.push({ to: 'peer', peer: live.peer, datagram: message });
  }

  /** Gives up an initiation: an answer to it is of no use any more. */
  #abandon(live: LivePeer): void {
    if (live.initiated === undefined) return;
    this.indices.delete(live.initiated.index);
    live.initiated = undefined;
  }

  stage(live: LivePeer, bytes: Uint8Array, at: number, length: number, now: Instant): void {
    live.staged.add(bytes, at, length);
    // A packet of the user's begins the ninety seconds anew (§6.4).
    live.triedSince = now;
    this.initiate(live, now);
    this.schedule(live);
  }

  /** Sends what waited for a session. */
  flush(live: LivePeer, now: Instant): void {
    const keypair = live.keypairs.current;
    while (keypair?.maySend(now) === true) {
      const packet = live.staged.shift();
      if (packet === undefined) return;
      const padded = this.padded(packet.length);
      const datagram = new Uint8Array(padded + TRANSPORT_OVERHEAD_BYTES);
      datagram.set(packet, TRANSPORT_HEADER_BYTES);
      keypair.seal(datagram, 0, padded);
      this.transmits.push({ to: 'peer', peer: live.peer, datagram });
      this.sent(keypair, true, now);
    }
  }

  keepalive(live: LivePeer, now: Instant): void {
    const keypair = live.keypairs.current;
    if (keypair?.maySend(now) === true) {
      const datagram = new Uint8Array(TRANSPORT_OVERHEAD_BYTES);
      keypair.seal(datagram, 0, 0);
      this.transmits.push({ to: 'peer', peer: live.peer, datagram });
      this.sent(keypair, false, now);
      return;
    }
    live.triedSince = now;
    this.initiate(live, now);
    this.schedule(live);
  }

  /** A transport message was sealed. */
  sent(keypair: Keypair<LivePeer>, isData: boolean, now: Instant): void {
    const live = keypair.owner;
    this.spoke(live, now);
    if (isData && live.silentAt === NEVER) {
      live.silentAt = now + KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS + live.jitterMs;
    }
    // §6.2: by count on either side, by time only where we began the session, so that not both do.
    const isOld = keypair.isInitiator && now - keypair.createdAt >= REKEY_AFTER_MS;
    if (isOld || keypair.sent >= this.#rekeyAfterMessages) {
      live.triedSince = now;
      this.initiate(live, now);
    }
    this.schedule(live);
  }

  /** Anything authentic goes out: it serves as a keep-alive. */
  spoke(live: LivePeer, now: Instant): void {
    live.keepaliveAt = NEVER;
    const { persistentKeepaliveMs } = live.peer.config;
    if (persistentKeepaliveMs !== undefined) live.persistentAt = now + persistentKeepaliveMs;
  }

  /** Anything authentic came: the peer lives. */
  heard(live: LivePeer, now: Instant): void {
    live.silentAt = NEVER;
    const { persistentKeepaliveMs } = live.peer.config;
    if (persistentKeepaliveMs !== undefined) live.persistentAt = now + persistentKeepaliveMs;
  }

  /** §6.5: data is answered within KEEPALIVE_TIMEOUT, if with nothing else then with a keep-alive. */
  heardData(live: LivePeer, now: Instant): void {
    if (live.keepaliveAt === NEVER) live.keepaliveAt = now + KEEPALIVE_TIMEOUT_MS;
    else live.needsAnotherKeepalive = true;
  }

  /** §6.2: whoever began the session follows it up in time, also where it only receives. */
  followUpReceiving(live: LivePeer, keypair: Keypair<LivePeer>, now: Instant): void {
    if (!keypair.isInitiator || live.isFollowedUp || keypair !== live.keypairs.current) return;
    const age = now - keypair.createdAt;
    if (age < REJECT_AFTER_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS) return;
    live.isFollowedUp = true;
    live.triedSince = now;
    this.initiate(live, now);
  }

  #onDue(live: LivePeer, now: Instant): void {
    if (now >= live.forgetAt) this.#onForget(live, now);
    if (now >= live.retryAt) this.#onRetry(live, now);
    if (now >= live.silentAt) {
      live.silentAt = NEVER;
      live.triedSince = now;
      this.initiate(live, now);
    }
    if (now >= live.keepaliveAt) {
      live.keepaliveAt = NEVER;
      const needsAnother = live.needsAnotherKeepalive;
      live.needsAnotherKeepalive = false;
      this.keepalive(live, now);
      if (needsAnother) live.keepaliveAt = now + KEEPALIVE_TIMEOUT_MS;
    }
    if (now >= live.persistentAt) {
      live.persistentAt = now + (live.peer.config.persistentKeepaliveMs ?? NEVER);
      this.keepalive(live, now);
    }
    if (live.peer.live === live) this.schedule(live);
  }

  /** §6.4: again after REKEY_TIMEOUT, and no longer than REKEY_ATTEMPT_TIME. */
  #onRetry(live: LivePeer, now: Instant): void {
    live.retryAt = NEVER;
    if (live.initiated === undefined && live.staged.size === 0) return;
    if (now - live.triedSince < REKEY_ATTEMPT_MS) return this.initiate(live, now);
    this.#abandon(live);
    const dropped = live.staged.clear();
    this.events.push({ kind: 'gave-up', peer: live.peer, dropped });
    if (live.forgetAt === NEVER) live.forgetAt = now + FORGET_AFTER_MS;
  }

  /** §6.3: no new session for three times REJECT_AFTER_TIME. */
  #onForget(live: LivePeer, now: Instant): void {
    const { peer } = live;
    // A handshake that is being tried goes on with nothing of the sessions before it.
    if (live.initiated !== undefined || live.staged.size > 0) {
      live.keypairs.clear();
      live.forgetAt = NEVER;
      return;
    }
    this.forget(peer);
    this.events.push({ kind: 'forgotten', peer });
    this.beginPersistence(peer, now);
  }

  forget(peer: Peer): void {
    const { live } = peer;
    if (live === undefined) return;
    live.keypairs.clear();
    live.staged.clear();
    live.staticShared.fill(0);
    this.#abandon(live);
    this.#deadlines.delete(live);
    live.retryAt = live.keepaliveAt = live.silentAt = live.persistentAt = live.forgetAt = NEVER;
    peer.live = undefined;
  }

  /** A peer that is to hear of us always is never silent. */
  beginPersistence(peer: Peer, now: Instant): void {
    if (peer.config.persistentKeepaliveMs === undefined) {
      if (peer.live !== undefined) peer.live.persistentAt = NEVER;
      return;
    }
    const live = this.wake(peer, now);
    if (live === undefined) return;
    live.persistentAt = now;
    this.schedule(live);
  }

  /** What a conversation with a peer needs; undefined where its key has no shared secret with any. */
  wake(peer: Peer, now: Instant): LivePeer | undefined {
    if (peer.live !== undefined) return peer.live;
    const key = keyBytes(peer.key);
    const staticShared = this.#options.key.sharedSecret(key);
    return staticShared === undefined ? undefined : this.enliven(peer, key, staticShared, now);
  }

  enliven(peer: Peer, key: Uint8Array, staticShared: Uint8Array, now: Instant): LivePeer {
    const live = new LivePeer({
      peer,
      key,
      staticShared,
      receiverKeys: receiverKeys(this.#options.crypto, key),
      budget: this.budget,
      onGone: ({ localIndex }) => this.indices.delete(localIndex),
    });
    live.jitterMs = this.#jitter();
    // Whatever comes of it, it does not stay for ever.
    live.forgetAt = now + FORGET_AFTER_MS;
    this.schedule(live);
    peer.live = live;
    return live;
  }

  schedule(live: LivePeer): void {
    const at = live.nextAt;
    if (at >= live.scheduledAt) return;
    live.scheduledAt = at;
    this.#deadlines.set(live, at);
  }

  heardFrom(live: LivePeer, source: Uint8Array): void {
    if (equalBytes(live.source, source)) return;
    live.source = source.slice(0, MAX_SOURCE_BYTES);
    this.events.push({ kind: 'heard-from', peer: live.peer, source: live.source });
  }

  padded(length: number): number {
    const padded = Math.ceil(length / PADDING_BYTES) * PADDING_BYTES;
    return padded <= this.#mtu ? padded : Math.max(length, this.#mtu);
  }

  /** Up to {@link JITTER_MS}, with a fraction. */
  #jitter(): number {
    const [low = 0, high = 0] = this.#options.random(2);
    return ((low + 256 * high + 0.5) / 65_536) * JITTER_MS;
  }
}
