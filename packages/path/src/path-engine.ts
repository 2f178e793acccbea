/**
 * The whole of it: knows where we are, which relay is home and how each peer is reached. The driver has the
 * sockets and relay connections, the tunnel what is inside of datagrams.
 *
 * Usable after every fault: what came and makes no sense is dropped. Events are few: one for a peer at
 * most, and the latest of every other kind.
 */
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import type { RandomBytes } from '@malla/base/random';
import type { Endpoint } from '@malla/ip/endpoint';
import { keyBytes, type NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { looksLikeDisco } from '@malla/wire/disco/packet';
import type { DerpMap, DerpRegion } from '@malla/wire/tailcfg/derp-map';
import type { NetInfo } from '@malla/wire/tailcfg/hostinfo';
import { HomeRegion } from './netcheck/home-region.ts';
import { Netcheck, type ProbeTarget } from './netcheck/netcheck.ts';
import { netInfoOf, type NetReport } from './netcheck/report.ts';
import { type LocalState, type OwnEndpoint, OwnEndpoints } from './own-endpoints.ts';
import {
  type Dropped,
  type PathChange,
  type PathPeer,
  Peers,
  type PathTransmit,
  type Route,
} from './peers/peers.ts';
import { type DatagramKind, sortDatagram } from './sort-datagram.ts';
import { type PathTimings, TIMINGS } from './timings.ts';

export interface PathOptions {
  readonly node: NodePublic;
  /** New in each process. */
  readonly disco: X25519Private;
  readonly random: RandomBytes;
  readonly timings?: Partial<PathTimings>;
  /** Lengths of IP packets that a new direct path is tried with. None by default. */
  readonly mtus?: readonly number[];
}

export type PathEvent =
  /** A peer is reached otherwise than before. */
  | ({ readonly kind: 'path' } & PathChange)
  /** Control should know: where we are. */
  | { readonly kind: 'endpoints'; readonly endpoints: readonly OwnEndpoint[] }
  /** Control should know: what the network is like, and which region is home. */
  | { readonly kind: 'net-info'; readonly netInfo: NetInfo; readonly home: number }
  /** How long does `GET /derp/latency-check` of each take? */
  | { readonly kind: 'measure-https'; readonly regions: readonly DerpRegion[] };

export type Transmit =
  | PathTransmit
  | { readonly kind: 'stun'; readonly to: ProbeTarget; readonly bytes: Uint8Array };

export class PathEngine implements Engine<PathEvent>, Transmitter<Transmit> {
  readonly #random: RandomBytes;
  readonly #timings: PathTimings;
  readonly #peers: Peers;
  readonly #netcheck: Netcheck;
  readonly #homeRegion = new HomeRegion();
  readonly #own = new OwnEndpoints();
  readonly #heardAt = new Map<number, Instant>();
  readonly #spread: number;
  #map: DerpMap = { Regions: {} };
  #home = 0;
  #report: NetReport | undefined;
  #fullAt: Instant = -Infinity;
  #lookAt: Instant | undefined;
  #isControlThere = true;
  #toldEndpoints = '';
  #toldNetInfo = '';
  #endpoints: readonly OwnEndpoint[] | undefined;
  #netInfo: NetInfo | undefined;

  constructor(options: PathOptions) {
    const { node, disco, random, timings, mtus = [] } = options;
    this.#random = random;
    this.#timings = { ...TIMINGS, ...timings };
    this.#peers = new Peers({ node, disco, random, timings: this.#timings, mtus });
    this.#netcheck = new Netcheck(random);
    this.#spread = keyBytes(node)[0] ?? 0;
  }

  /** The region that peers reach us through; 0: none yet. */
  get home(): number {
    return this.#home;
  }

  /** What was dropped of what came, by reason. */
  get dropped(): Readonly<Dropped> {
    return this.#peers.dropped;
  }

  /** A peer as control has it now. */
  handlePeer(peer: PathPeer, now: Instant): void {
    this.#peers.handlePeer(peer, now);
    this.#lookIfWanted(now);
  }

  handlePeerGone(node: NodePublic): void {
    this.#peers.handlePeerGone(node);
  }

  /** The relays that there are. */
  handleDerpMap(map: DerpMap, now: Instant): void {
    this.#map = map;
    this.#look(now, true);
  }

  /** The machine's interfaces as they are now; other addresses are another network. */
  handleLocal(local: LocalState, now: Instant): void {
    this.#own.handleLocal(local);
    if (this.#own.freshAt === -Infinity) this.handleMoved(now);
    else this.#tellEndpoints();
  }

  /** The network is another one, though the addresses may be the same: after sleep, or a new link. */
  handleMoved(now: Instant): void {
    this.#own.handleMoved();
    this.#peers.handleMoved(now);
    this.#look(now, true);
  }

  /** Whether control hears us: home stays as it is while it does not. */
  handleControl(isThere: boolean): void {
    this.#isControlThere = isThere;
  }

  /** What the router has mapped for us; undefined: nothing any more. */
  handleMapped(mapped: Endpoint | undefined): void {
    this.#own.handleMapped(mapped);
    this.#tellEndpoints();
  }

  /** The tunnel has a datagram for a peer: where does it go? */
  handleSend(node: NodePublic, now: Instant): Route {
    const route = this.#peers.handleSend(node, now);
    this.#lookIfWanted(now);
    return route;
  }

  /** A datagram came; `wireguard` is for the tunnel, everything else is done with. */
  handleDatagram(bytes: Uint8Array, from: Endpoint, now: Instant): DatagramKind {
    const kind = sortDatagram(bytes);
    if (kind === 'disco') {
      this.#peers.handlePacket(bytes, from, now);
      this.#lookIfWanted(now);
    } else if (kind === 'stun') {
      this.#netcheck.handleStun(bytes, now);
      this.#takeReports(now);
    }
    return kind;
  }

  /** A packet came over the relay of a region, of that node; `wireguard` is for the tunnel. */
  handleRelayed(
    region: number,
    node: NodePublic,
    bytes: Uint8Array,
    now: Instant,
  ): 'disco' | 'wireguard' {
    this.#heardAt.set(region, now);
    this.#peers.handleRelayed(node, region);
    if (!looksLikeDisco(bytes)) return 'wireguard';
    this.#peers.handleRelayedPacket(node, bytes, now);
    this.#lookIfWanted(now);
    return 'disco';
  }

  /** The relay of a region has sent anything at all: it is there. */
  handleRelayHeard(region: number, now: Instant): void {
    if (String(region) in this.#map.Regions) this.#heardAt.set(region, now);
  }

  /** The relay of a region has no such peer. */
  handleRelayGone(region: number, node: NodePublic): void {
    this.#peers.handleRelayGone(node, region);
  }

  /** The tunnel has found a datagram authentic that came from there. */
  handleReceived(node: NodePublic, from: Endpoint, now: Instant): void {
    this.#peers.handleReceived(node, from, now);
  }

  /** The system could not send to an endpoint of a peer. */
  handleSendFault(node: NodePublic, to: Endpoint, now: Instant): void {
    this.#peers.handleSendFault(node, to, now);
  }

  /** How long a region took, as asked for by `measure-https`. */
  handleHttpsLatency(region: number, latencyMs: number, now: Instant): void {
    this.#netcheck.handleHttpsLatency(region, latencyMs);
    this.#takeReports(now);
  }

  handleTimeout(now: Instant): void {
    this.#peers.handleTimeout(now);
    this.#netcheck.handleTimeout(now);
    this.#takeReports(now);
    if (this.#lookAt !== undefined && now >= this.#lookAt) {
      this.#lookAt = undefined;
      if (this.#peers.inUse > 0) this.#look(now, false);
    }
    this.#lookIfWanted(now);
  }

  pollTimeout(): Instant | undefined {
    const due = [this.#peers.pollTimeout(), this.#netcheck.pollTimeout(), this.#lookAt];
    const at = Math.min(...due.map((moment) => moment ?? Infinity));
    return at === Infinity ? undefined : at;
  }

  pollTransmit(): Transmit | undefined {
    const probe = this.#netcheck.pollTransmit();
    return probe === undefined ? this.#peers.pollTransmit() : { kind: 'stun', ...probe };
  }

  pollEvent(): PathEvent | undefined {
    const endpoints = this.#endpoints;
    this.#endpoints = undefined;
    if (endpoints !== undefined) return { kind: 'endpoints', endpoints };
    const netInfo = this.#netInfo;
    this.#netInfo = undefined;
    if (netInfo !== undefined) return { kind: 'net-info', netInfo, home: this.#home };
    for (let event = this.#netcheck.pollEvent(); event; event = this.#netcheck.pollEvent()) {
      if (event.kind === 'measure-https') return event;
    }
    const change = this.#peers.pollEvent();
    return change === undefined ? undefined : { kind: 'path', ...change };
  }

  #lookIfWanted(now: Instant): void {
    if (this.#peers.wantsEndpoints && !this.#netcheck.isRunning) this.#look(now, false);
    if (this.#peers.inUse > 0) this.#lookAt ??= now + this.#untilNextLook();
  }

  #look(now: Instant, isFull: boolean): void {
    const { families } = this.#own;
    if (Object.keys(this.#map.Regions).length === 0 || !(families.ipv4 || families.ipv6)) return;
    if (this.#netcheck.isRunning && !isFull) return;
    const all = isFull || now >= this.#fullAt + this.#timings.fullLookMs;
    if (all) this.#fullAt = now;
    const previous = all ? undefined : this.#report;
    this.#netcheck.handleStart({ map: this.#map, home: this.#home, families, previous }, now);
    this.#takeReports(now);
  }

  #takeReports(now: Instant): void {
    const report = this.#netcheck.takeReport();
    if (report === undefined) return;
    this.#report = report;
    this.#own.handleReport(report, now);
    const choice = {
      map: this.#map,
      previous: this.#home,
      heardFrom: (region: number) => this.#heardAt.get(region),
      spread: this.#spread,
    };
    const home = this.#homeRegion.choose(report, choice, now);
    if (this.#isControlThere || this.#home === 0) this.#home = home;
    const netInfo = netInfoOf(report, this.#home);
    // Latencies differ each time, and would be told each time.
    const { DERPLatency: _, ...rest } = netInfo;
    const text = JSON.stringify(rest);
    if (text !== this.#toldNetInfo) this.#netInfo = netInfo;
    this.#toldNetInfo = text;
    this.#tellEndpoints();
    const own = this.#own.list().map(({ endpoint }) => endpoint);
    this.#peers.handleOwnEndpoints(own, now);
  }

  #tellEndpoints(): void {
    const endpoints = this.#own.list();
    const text = endpoints.map(({ endpoint, type }) => `${type} ${endpoint.text}`).join();
    if (text === this.#toldEndpoints) return;
    this.#toldEndpoints = text;
    this.#endpoints = endpoints;
  }

  #untilNextLook(): number {
    const [from, to] = this.#timings.lookMs;
    return from + ((to - from) * (this.#random(1)[0] ?? 0)) / 256;
  }
}
