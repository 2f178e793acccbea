/**
 * The ways to all peers: where a datagram for a peer goes now, and what has to be said so that it goes
 * straight. A peer that nobody speaks to costs its entry: no timer, and no session.
 *
 * Whoever is not known by disco key is ignored before anything is computed. A peer can make us ping what it
 * names, so it is heard only so often ({@link CALLS}). Usable after every fault of a packet; what is
 * wrong in one is dropped and counted.
 *
 * Source: docs/protocol/disco.md §3 and §4.
 */
import { Deadlines } from '@malla/base/deadlines';
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';
import { type Endpoint, endpointOf, parseEndpoint } from '@malla/ip/endpoint';
import { type DiscoPublic, formatKey, keyBytes, type NodePublic } from '@malla/keys/key';
import { BOX_NONCE_BYTES, type BoxKey, boxKey } from '@malla/keys/nacl-box';
import type { X25519Private } from '@malla/keys/x25519';
import { type DiscoMessage, type Ping, PING_ID_BYTES, type Pong } from '@malla/wire/disco/message';
import { openDisco, paddingFor, sealDisco, senderOf } from '@malla/wire/disco/packet';
import type { PathTimings } from '../timings.ts';
import { isBetter } from './better.ts';
import { bestOf, type Candidate, MAX_CANDIDATES, MAX_PINGS, Session } from './session.ts';

/** What control says of a peer. */
export interface PathPeer {
  readonly node: NodePublic;
  /** Absent: the peer speaks no disco yet and is reached over relays only. */
  readonly disco?: DiscoPublic | undefined;
  readonly endpoints: readonly string[];
  /** Its home; 0: not known. */
  readonly homeRegion: number;
}

/** Where a datagram goes: to one of them, to both while the way is not sure, or nowhere. */
export interface Route {
  readonly udp: Endpoint | undefined;
  /** Region of a relay. */
  readonly relay: number | undefined;
}

export type PathTransmit =
  | { readonly kind: 'udp'; readonly to: Endpoint; readonly bytes: Uint8Array }
  | {
      readonly kind: 'relay';
      readonly region: number;
      readonly node: NodePublic;
      readonly bytes: Uint8Array;
    };

/** How a peer is reached now. */
export type PathOf =
  | { readonly kind: 'direct'; readonly endpoint: Endpoint; readonly latencyMs: number }
  | { readonly kind: 'relayed'; readonly region: number }
  | { readonly kind: 'idle' };

export interface PathChange {
  readonly node: NodePublic;
  readonly path: PathOf;
}

export interface PeersOptions {
  readonly node: NodePublic;
  readonly disco: X25519Private;
  readonly random: RandomBytes;
  readonly timings: PathTimings;
  /** Lengths of IP packets that a new way is tried with, by padded pings; the driver forbids fragments. */
  readonly mtus: readonly number[];
}

/** What is dropped, by reason. */
export interface Dropped {
  unknownSender: number;
  notAuthentic: number;
  notUnderstood: number;
  /** Calls and relay messages that did not come over a relay, from the node whose key it is. */
  misplaced: number;
  tooMany: number;
}

/** Messages that wait to be sent; what comes on top is dropped, as a network would. */
export const MAX_TRANSMITS = 4096;
/** Calls of one peer that are heard at once, and how long until one more is, ms. */
const CALLS = { burst: 4, everyMs: 2000 } as const;

interface Peer {
  info: PathPeer;
  /** Shared with the peer's disco key; computed when it is first needed. */
  key: BoxKey | undefined;
  session: Session | undefined;
  /** Where something of it came from that is not its home. */
  reverseRegion: number;
  /** Worked best before it fell silent. */
  hint: Endpoint | undefined;
  /** What was last said of it. */
  said: string;
  calls: { left: number; at: Instant };
}

/** What a pong over a relay says in the place of an address: 127.3.3.40, as official clients do. */
const RELAY_ENDPOINT = endpointOf({ family: 4, value: 0x7f030328n }, 1);
const NOWHERE: Route = { udp: undefined, relay: undefined };

export class Peers implements Engine<PathChange>, Transmitter<PathTransmit> {
  readonly dropped: Dropped = {
    unknownSender: 0,
    notAuthentic: 0,
    notUnderstood: 0,
    misplaced: 0,
    tooMany: 0,
  };
  readonly #options: PeersOptions;
  readonly #nodeBytes: Uint8Array;
  readonly #peers = new Map<NodePublic, Peer>();
  readonly #byDisco = new Map<DiscoPublic, Peer[]>();
  readonly #deadlines = new Deadlines<Peer>();
  readonly #transmits: PathTransmit[] = [];
  readonly #changed = new Map<NodePublic, PathOf>();
  /** Routes over relays alone, so that none is made for a packet. */
  readonly #relayed = new Map<number, Route>();
  /** Those to be called as soon as it is known again where we are. */
  readonly #toCall = new Set<Peer>();
  #own: readonly Endpoint[] = [];
  #ownText = '';
  #ownAt: Instant = -Infinity;
  #inUse = 0;

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#nodeBytes = keyBytes(options.node);
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Peers to which data was sent lately. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Whether somebody waits to hear where we are. */
  get wantsEndpoints(): boolean {
    return this.#toCall.size > 0;
  }

  /** A peer as control has it now. */
  handlePeer(info: PathPeer, now: Instant): void {
    const peer = this.#peers.get(info.node);
    if (peer === undefined) {
      const made: Peer = {
        info,
        key: undefined,
        session: undefined,
        reverseRegion: 0,
        hint: undefined,
        said: '',
        calls: { left: CALLS.burst, at: now },
      };
      this.#peers.set(info.node, made);
      this.#index(made);
      return;
    }
    const before = peer.info;
    peer.info = info;
    if (before.homeRegion !== info.homeRegion) peer.reverseRegion = 0;
    if (before.disco !== info.disco) {
      // It was started anew: what it knew of us is gone.
      this.#unindex(peer, before.disco);
      this.#index(peer);
      peer.key = undefined;
      peer.session?.pings.clear();
      this.#distrust(peer, now);
    }
    const { session } = peer;
    if (session === undefined) return;
    session.list(endpointsOf(info));
    if (session.heartbeatAt !== undefined && !session.isTrusted(now))
      this.#pingAll(peer, session, now);
    this.#settle(peer, session, now);
  }

  /** A peer is gone. */
  handlePeerGone(node: NodePublic): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    this.#peers.delete(node);
    this.#unindex(peer, peer.info.disco);
    if (peer.session?.heartbeatAt !== undefined) this.#inUse--;
    peer.session = undefined;
    this.#deadlines.delete(peer);
    this.#toCall.delete(peer);
    this.#changed.delete(node);
  }

  /** Where we are is known, as of now. */
  handleOwnEndpoints(own: readonly Endpoint[], now: Instant): void {
    this.#own = own;
    this.#ownText = own.map(({ text }) => text).join(' ');
    this.#ownAt = now;
    for (const peer of this.#toCall) {
      const { session } = peer;
      if (session !== undefined && session.calledWith !== this.#ownText) this.#call(peer, session);
    }
    this.#toCall.clear();
  }

  /** We are in another network: no way is sure, and where we are is not known. */
  handleMoved(now: Instant): void {
    this.#ownAt = -Infinity;
    for (const peer of this.#peers.values()) this.#distrust(peer, now);
  }

  /** Something is about to be sent to a peer: where to? */
  handleSend(node: NodePublic, now: Instant): Route {
    const peer = this.#peers.get(node);
    if (peer === undefined) return NOWHERE;
    const session = (peer.session ??= this.#begin(peer));
    session.lastSentAt = now;
    const { best } = session;
    if (best !== undefined && now < best.trustedUntil) {
      if (session.heartbeatAt === undefined) this.#use(peer, session, now);
      return best.route;
    }
    if (session.heartbeatAt === undefined) this.#use(peer, session, now);
    if (now >= session.lastRoundAt + this.#options.timings.repingMs) {
      this.#round(peer, session, now);
      this.#settle(peer, session, now);
    }
    const relay = this.#relayOf(peer);
    if (best === undefined) return this.#relayRoute(relay);
    return { udp: best.endpoint, relay };
  }

  /** A disco packet that came by UDP. */
  handlePacket(packet: Uint8Array, from: Endpoint, now: Instant): void {
    const found = this.#open(packet, (peer) => peer);
    if (found === undefined) return;
    const { message } = found;
    if (message.kind === 'ping') {
      const peer = this.#pinger(found.peers, message);
      if (peer === undefined) return;
      this.#learn(peer, from, now);
      const { id } = message;
      this.#send(peer, { kind: 'pong', id, seenFrom: from }, from);
    } else if (message.kind === 'pong') this.#handlePong(found.peers, message, now);
    else this.dropped.misplaced++;
  }

  /** A disco packet that came over a relay, which vouches for the node that it is of. */
  handleRelayedPacket(node: NodePublic, packet: Uint8Array, now: Instant): void {
    const found = this.#open(packet, (peer) => (peer.info.node === node ? peer : undefined));
    const peer = found?.peers[0];
    if (found === undefined || peer === undefined) return;
    const { message } = found;
    switch (message.kind) {
      case 'ping': {
        this.#send(peer, { kind: 'pong', id: message.id, seenFrom: RELAY_ENDPOINT }, 'relay');
        return;
      }
      case 'call-me-maybe':
        return this.#handleCall(peer, message.endpoints, now);
      // Over a relay nothing is proved of UDP, and relays that are peers are not used yet.
      case 'pong':
      case 'bind-relay':
      case 'call-me-maybe-via':
      case 'allocate-relay':
      case 'relay-allocated':
    }
  }

  /** Something of a peer came over the relay of a region. */
  handleRelayed(node: NodePublic, region: number): void {
    const peer = this.#peers.get(node);
    // It stays so when the peer is heard at its home as well: two that hear each other at both would else
    // change over with every packet, which overtake each other then.
    if (peer !== undefined && region !== peer.info.homeRegion) peer.reverseRegion = region;
  }

  /** The relay of a region has no such peer. */
  handleRelayGone(node: NodePublic, region: number): void {
    const peer = this.#peers.get(node);
    if (peer?.reverseRegion === region) peer.reverseRegion = 0;
  }

  /** The tunnel has found a datagram authentic that came from there. */
  handleReceived(node: NodePublic, from: Endpoint, now: Instant): void {
    const peer = this.#peers.get(node);
    if (peer !== undefined) this.#learn(peer, from, now);
  }

  /** The system could not send to an endpoint of a peer. */
  handleSendFault(node: NodePublic, to: Endpoint, now: Instant): void {
    const peer = this.#peers.get(node);
    const session = peer?.session;
    if (peer === undefined || session?.best?.endpoint.text !== to.text) return;
    session.best = undefined;
    if (now >= session.lastRoundAt + this.#options.timings.repingMs)
      this.#round(peer, session, now);
    this.#settle(peer, session, now);
  }

  handleTimeout(now: Instant): void {
    for (
      let peer = this.#deadlines.takeDue(now);
      peer !== undefined;
      peer = this.#deadlines.takeDue(now)
    ) {
      const { session } = peer;
      if (session === undefined) continue;
      this.#giveUpPings(peer, session, now);
      if (session.heartbeatAt !== undefined && now >= session.heartbeatAt) {
        this.#heartbeat(peer, session, now);
      }
      this.#settle(peer, session, now);
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.first();
  }

  pollTransmit(): PathTransmit | undefined {
    return this.#transmits.shift();
  }

  /** The next peer that is reached otherwise than before; in between is left out. */
  pollEvent(): PathChange | undefined {
    for (const [node, path] of this.#changed) {
      this.#changed.delete(node);
      return { node, path };
    }
    return undefined;
  }

  #begin(peer: Peer): Session {
    const session = new Session();
    session.list(endpointsOf(peer.info));
    const { hint } = peer;
    const candidate = hint === undefined ? undefined : session.learn(hint);
    if (candidate !== undefined) candidate.heardAt = 0;
    return session;
  }

  #use(peer: Peer, session: Session, now: Instant): void {
    session.heartbeatAt = now + this.#options.timings.heartbeatMs;
    this.#inUse++;
    this.#settle(peer, session, now);
  }

  #heartbeat(peer: Peer, session: Session, now: Instant): void {
    const { heartbeatMs, sessionMs, goodEnoughMs, upgradeMs, repingMs } = this.#options.timings;
    if (now >= session.lastSentAt + sessionMs) {
      session.heartbeatAt = undefined;
      this.#inUse--;
      return;
    }
    session.heartbeatAt = now + heartbeatMs;
    const { best } = session;
    if (best !== undefined) this.#ping(peer, session, best.endpoint, now);
    const isGood = session.isTrusted(now) && best !== undefined && best.latencyMs <= goodEnoughMs;
    const waitMs = session.isTrusted(now) ? upgradeMs : repingMs;
    if (!isGood && now >= session.lastRoundAt + waitMs) this.#round(peer, session, now);
  }

  /** Pings all that is known, and calls the peer, so that both sides' packets are under way. */
  #round(peer: Peer, session: Session, now: Instant): void {
    session.lastRoundAt = now;
    this.#pingAll(peer, session, now);
    if (peer.info.disco === undefined || this.#relayOf(peer) === undefined) return;
    const isFresh = now < this.#ownAt + this.#options.timings.endpointsFreshMs;
    // What was right shortly ago most likely is; if not, the peer is called again.
    if (this.#own.length > 0) this.#call(peer, session);
    if (!isFresh) this.#toCall.add(peer);
  }

  #call(peer: Peer, session: Session): void {
    session.calledWith = this.#ownText;
    this.#send(peer, { kind: 'call-me-maybe', endpoints: this.#own }, 'relay');
  }

  #pingAll(peer: Peer, session: Session, now: Instant): void {
    for (const candidate of session.candidates.values()) this.#probe(peer, session, candidate, now);
  }

  #probe(peer: Peer, session: Session, candidate: Candidate, now: Instant): void {
    if (now < candidate.pingedAt + this.#options.timings.repingMs) return;
    this.#ping(peer, session, candidate.endpoint, now);
  }

  #ping(peer: Peer, session: Session, to: Endpoint, now: Instant, mtu = 0): void {
    if (session.pings.size >= MAX_PINGS) return;
    const id = this.#options.random(PING_ID_BYTES);
    const padding = mtu === 0 ? 0 : paddingFor(mtu, to.address.family);
    if (!this.#send(peer, { kind: 'ping', id, nodeKey: this.#nodeBytes, padding }, to)) return;
    session.pings.set(toHex(id), { endpoint: to, at: now, mtu });
    const candidate = session.candidates.get(to.text);
    if (candidate !== undefined && mtu === 0) candidate.pingedAt = now;
  }

  #giveUpPings(peer: Peer, session: Session, now: Instant): void {
    for (const [id, { at, endpoint, mtu }] of session.pings) {
      if (now < at + this.#options.timings.pingMs) break;
      session.pings.delete(id);
      const isBest = mtu === 0 && session.best?.endpoint.text === endpoint.text;
      if (isBest && !session.isTrusted(now)) session.best = undefined;
    }
    this.#announce(peer, now);
  }

  /** Something of the peer came from there. */
  #learn(peer: Peer, from: Endpoint, now: Instant): void {
    const session = (peer.session ??= this.#begin(peer));
    const candidate = session.learn(from);
    if (candidate !== undefined) {
      candidate.heardAt = now;
      if (!session.isTrusted(now)) this.#probe(peer, session, candidate, now);
    }
    this.#settle(peer, session, now);
  }

  #handlePong(peers: readonly Peer[], pong: Pong, now: Instant): void {
    const id = toHex(pong.id);
    const peer = peers.find(({ session }) => session?.pings.has(id));
    const session = peer?.session;
    const ping = session?.pings.get(id);
    if (peer === undefined || session === undefined || ping === undefined) return;
    session.pings.delete(id);
    const { endpoint, mtu } = ping;
    const { best } = session;
    const found = { endpoint, latencyMs: now - ping.at, mtu };
    const candidate = session.candidates.get(endpoint.text);
    if (candidate !== undefined) candidate.heardAt = now;
    const trustedUntil = now + this.#options.timings.trustMs;
    if (best?.endpoint.text === endpoint.text) {
      // A long ping takes longer, so it says nothing of the way.
      const latencyMs = mtu === 0 ? found.latencyMs : best.latencyMs;
      session.best = bestOf({ endpoint, latencyMs, mtu: Math.max(mtu, best.mtu), trustedUntil });
    } else if (candidate !== undefined) {
      if (best === undefined || !session.isTrusted(now) || isBetter(found, best)) {
        session.best = bestOf({ ...found, trustedUntil });
        for (const size of this.#options.mtus) this.#ping(peer, session, endpoint, now, size);
      }
    }
    this.#settle(peer, session, now);
  }

  #handleCall(peer: Peer, endpoints: readonly Endpoint[], now: Instant): void {
    const { calls } = peer;
    const earned = Math.floor((now - calls.at) / CALLS.everyMs);
    if (earned > 0) peer.calls = { left: Math.min(CALLS.burst, calls.left + earned), at: now };
    if (peer.calls.left === 0) return void this.dropped.tooMany++;
    peer.calls.left--;
    const session = (peer.session ??= this.#begin(peer));
    session.call(endpoints);
    const { best } = session;
    if (best !== undefined) {
      const doubtAt = now + this.#options.timings.doubtMs;
      const trustedUntil = Math.min(best.trustedUntil, doubtAt);
      session.best = bestOf({ ...best, trustedUntil });
    }
    this.#pingAll(peer, session, now);
    this.#settle(peer, session, now);
  }

  /** No way to the peer is sure any more, though the same one may still be right. */
  #distrust(peer: Peer, now: Instant): void {
    const { session } = peer;
    if (session === undefined) return;
    if (session.best !== undefined) session.best = bestOf({ ...session.best, trustedUntil: now });
    for (const candidate of session.candidates.values()) candidate.pingedAt = -Infinity;
    if (session.heartbeatAt !== undefined) this.#round(peer, session, now);
    this.#settle(peer, session, now);
  }

  /** When the peer is to be looked at next; a session in which nothing goes on is given up. */
  #settle(peer: Peer, session: Session, now: Instant): void {
    const pingAt = session.firstPingAt();
    const giveUpAt = pingAt === undefined ? Infinity : pingAt + this.#options.timings.pingMs;
    const at = Math.min(session.heartbeatAt ?? Infinity, giveUpAt);
    if (at < Infinity) this.#deadlines.set(peer, at);
    else {
      this.#deadlines.delete(peer);
      // Trust that is left may still be used; who comes later begins with what worked.
      peer.hint = session.best?.endpoint ?? peer.hint;
      if (!session.isTrusted(now)) peer.session = undefined;
      else this.#deadlines.set(peer, session.best?.trustedUntil ?? now);
    }
    this.#announce(peer, now);
  }

  #announce(peer: Peer, now: Instant): void {
    const { session } = peer;
    const { node } = peer.info;
    const path: PathOf =
      session?.heartbeatAt === undefined
        ? { kind: 'idle' }
        : session.best !== undefined && session.isTrusted(now)
          ? {
              kind: 'direct',
              endpoint: session.best.endpoint,
              latencyMs: session.best.latencyMs,
            }
          : { kind: 'relayed', region: this.#relayOf(peer) ?? 0 };
    const said =
      path.kind === 'direct'
        ? path.endpoint.text
        : path.kind === 'relayed'
          ? String(path.region)
          : '';
    if (said === peer.said) return;
    peer.said = said;
    this.#changed.set(node, path);
  }

  #open(
    packet: Uint8Array,
    fitting: (peer: Peer) => Peer | undefined,
  ): { readonly peers: readonly Peer[]; readonly message: DiscoMessage } | undefined {
    const sender = formatKey('discokey', senderOf(packet));
    const known = this.#byDisco.get(sender);
    const peers = known?.filter((peer) => fitting(peer) !== undefined) ?? [];
    const [first] = peers;
    const key = first && this.#keyOf(first);
    if (key === undefined) {
      if (known === undefined) this.dropped.unknownSender++;
      else this.dropped.misplaced++;
      return undefined;
    }
    const message = openDisco(key, packet);
    if (message.ok) return { peers, message: message.value };
    if (message.error === 'not-authentic') this.dropped.notAuthentic++;
    else this.dropped.notUnderstood++;
    return undefined;
  }

  /** Nodes may share a disco key, as one that has another node key now; a ping names its own. */
  #pinger(peers: readonly Peer[], { nodeKey }: Ping): Peer | undefined {
    if (nodeKey === undefined) return peers[0];
    const node = formatKey('nodekey', nodeKey);
    return peers.find(({ info }) => info.node === node);
  }

  #send(peer: Peer, message: DiscoMessage, to: Endpoint | 'relay'): boolean {
    const key = this.#keyOf(peer);
    if (key === undefined) return false;
    if (this.#transmits.length >= MAX_TRANSMITS) {
      this.dropped.tooMany++;
      return false;
    }
    const { disco, random } = this.#options;
    const bytes = sealDisco(disco.publicBytes, key, random(BOX_NONCE_BYTES), message);
    if (to !== 'relay') {
      this.#transmits.push({ kind: 'udp', to, bytes });
      return true;
    }
    const region = this.#relayOf(peer);
    if (region === undefined) return false;
    this.#transmits.push({ kind: 'relay', region, node: peer.info.node, bytes });
    return true;
  }

  #relayOf({ info, reverseRegion }: Peer): number | undefined {
    const region = reverseRegion === 0 ? info.homeRegion : reverseRegion;
    return region === 0 ? undefined : region;
  }

  #relayRoute(region: number | undefined): Route {
    if (region === undefined) return NOWHERE;
    let route = this.#relayed.get(region);
    if (route === undefined) {
      route = { udp: undefined, relay: region };
      this.#relayed.set(region, route);
    }
    return route;
  }

  #keyOf(peer: Peer): BoxKey | undefined {
    const { disco } = peer.info;
    if (disco === undefined) return undefined;
    return (peer.key ??= boxKey(this.#options.disco, keyBytes(disco)));
  }

  #index(peer: Peer): void {
    const { disco } = peer.info;
    if (disco === undefined) return;
    const same = this.#byDisco.get(disco);
    if (same === undefined) this.#byDisco.set(disco, [peer]);
    else same.push(peer);
  }

  #unindex(peer: Peer, disco: DiscoPublic | undefined): void {
    if (disco === undefined) return;
    const rest = this.#byDisco.get(disco)?.filter((other) => other !== peer) ?? [];
    if (rest.length === 0) this.#byDisco.delete(disco);
    else this.#byDisco.set(disco, rest);
  }
}

/** What control says in a form that can be used; what is wrong is left out. */
function endpointsOf({ endpoints }: PathPeer): Endpoint[] {
  return endpoints.slice(0, MAX_CANDIDATES).flatMap((text) => {
    const read = parseEndpoint(text);
    return read.ok ? [read.value] : [];
  });
}
