/**
 * Nodes in a simulated network: each has the path engine and sends numbered packets in the place of a
 * tunnel. There are relays, which answer STUN and pass packets on, and control, which tells each what the
 * others report.
 */
import type { Instant } from '@malla/base/engine';
import { type Address, formatAddress } from '@malla/ip/address';
import { endpointOf } from '@malla/ip/endpoint';
import { type DiscoPublic, formatKey, type NodePublic } from '@malla/keys/key';
import { clamp } from '@malla/keys/x25519';
import { PathEngine, type PathEvent } from '@malla/path/path-engine';
import type { PathOf } from '@malla/path/peers/peers';
import type { PathTimings } from '@malla/path/timings';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { looksLikeDisco } from '@malla/wire/disco/packet';
import { decodeBindingRequest, encodeBindingResponse } from '@malla/wire/stun/binding';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import { Host, type Network, type Packet } from './network.ts';

const PORT = 41_641;
const STUN_PORT = 3478;
/** How long control takes to tell the others, ms. */
const CONTROL_MS = 80;
/** From a node to a relay, or back, ms. */
const RELAY_MS = 40;

/** Ways to be broken, for tests of the tests. */
export interface Sabotage {
  /** Does not hear when it is called. */
  readonly isDeaf?: boolean;
  readonly timings?: Partial<PathTimings>;
}

/** What has arrived of what was sent to a node. */
export interface Received {
  readonly from: NodePublic;
  readonly number: number;
  readonly at: Instant;
}

export class LabNode {
  readonly name: string;
  readonly node: NodePublic;
  readonly disco: DiscoPublic;
  readonly engine: PathEngine;
  readonly host: Host;
  readonly received: Received[] = [];
  readonly paths = new Map<NodePublic, PathOf>();
  endpoints: readonly string[] = [];
  /** Relays that it is connected to. */
  readonly regions = new Set<number>();
  readonly #lab: PathLab;
  readonly #isDeaf: boolean;
  #number = 0;
  #wakeAt = Infinity;

  constructor(lab: PathLab, name: string, sabotage: Sabotage) {
    const { simulation } = lab.network;
    this.#lab = lab;
    this.name = name;
    this.#isDeaf = sabotage.isDeaf === true;
    const disco = importPrivate(clamp(simulation.bytes(32)));
    this.disco = formatKey('discokey', disco.publicBytes);
    this.node = formatKey('nodekey', simulation.bytes(32));
    const { timings = {} } = sabotage;
    this.engine = new PathEngine({ node: this.node, disco, random: simulation.bytes, timings });
    this.host = new Host(name, (packet) => this.#take(packet));
  }

  /** The interfaces are these now. */
  handleLinks(): void {
    const endpoints = this.host.addresses.map((address) => endpointOf(address, PORT));
    this.input((now) => this.engine.handleLocal({ endpoints }, now));
  }

  /** Sends one packet of a tunnel to a peer; its number. */
  send(to: LabNode): number {
    const number = ++this.#number;
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    bytes[0] = 4;
    view.setUint32(4, number);
    bytes.set(Uint8Array.fromHex(this.node.slice(8)), 8);
    this.input((now) => {
      const { udp, relay } = this.engine.handleSend(to.node, now);
      if (udp !== undefined) this.host.send(PORT, udp, bytes);
      if (relay !== undefined) this.#lab.relay(relay, this, to.node, bytes);
    });
    return number;
  }

  /** Gives the engine something, and does what follows. */
  input(handle: (now: Instant) => void): void {
    const { simulation } = this.#lab.network;
    handle(simulation.now);
    const { engine } = this;
    for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
      if (sent.kind === 'relay') this.#lab.relay(sent.region, this, sent.node, sent.bytes);
      else if (sent.kind === 'udp') this.host.send(PORT, sent.to, sent.bytes);
      else if (sent.to.kind === 'endpoint') this.host.send(PORT, sent.to.endpoint, sent.bytes);
    }
    for (let event = engine.pollEvent(); event; event = engine.pollEvent()) this.#hear(event);
    const due = engine.pollTimeout();
    if (due === undefined || due >= this.#wakeAt) return;
    this.#wakeAt = due;
    simulation.after(Math.max(0, due - simulation.now), () => {
      if (this.#wakeAt !== due) return;
      this.#wakeAt = Infinity;
      this.input((now) => engine.handleTimeout(now));
    });
  }

  /** Something came over a relay. */
  takeRelayed(region: number, from: NodePublic, bytes: Uint8Array): void {
    if (this.#isDeaf && looksLikeDisco(bytes)) return;
    this.input((now) => {
      if (this.engine.handleRelayed(region, from, bytes, now) === 'wireguard') this.#arrive(bytes);
    });
  }

  #take({ from, bytes }: Packet): void {
    this.input((now) => {
      if (this.engine.handleDatagram(bytes, from, now) !== 'wireguard') return;
      this.engine.handleReceived(this.#arrive(bytes), from, now);
    });
  }

  #arrive(bytes: Uint8Array): NodePublic {
    const from = formatKey('nodekey', bytes.slice(8, 40));
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
    this.received.push({ from, number, at: this.#lab.network.simulation.now });
    return from;
  }

  #hear(event: PathEvent): void {
    if (event.kind === 'path') {
      this.paths.set(event.node, event.path);
      const { simulation, log } = this.#lab.network;
      const { path } = event;
      const how = path.kind === 'direct' ? `direct ${path.endpoint.text}` : path.kind;
      log.note(simulation.now, this.name, `reaches ${event.node.slice(8, 14)}: ${how}`);
    }
    if (event.kind === 'endpoints') {
      this.endpoints = event.endpoints.map(({ endpoint }) => endpoint.text);
      this.#lab.report(this);
    }
    if (event.kind === 'net-info') {
      this.regions.add(event.home);
      this.#lab.report(this);
    }
  }
}

export class PathLab {
  readonly network: Network;
  readonly nodes: LabNode[] = [];
  /** Tells nobody anything while it is away. */
  isControlAway = false;
  readonly #map: DerpMap;

  constructor(network: Network, relays: readonly Address[]) {
    this.network = network;
    const regions = relays.map((address, i) => {
      const id = i + 1;
      const host: Host = new Host(`relay-${id}`, (packet) => answerStun(host, packet));
      host.move(network.internet, [address]);
      const node = {
        Name: `${id}a`,
        RegionID: id,
        HostName: `relay-${id}.test`,
        IPv4: formatAddress(address),
        IPv6: 'none',
      };
      const region = { RegionID: id, RegionCode: `${id}`, RegionName: `${id}`, Nodes: [node] };
      return [String(id), region] as const;
    });
    this.#map = { Regions: Object.fromEntries(regions) };
  }

  /** A node; it is to be moved to a network, and then started. */
  node(name: string, sabotage: Sabotage = {}): LabNode {
    const node = new LabNode(this, name, sabotage);
    this.nodes.push(node);
    return node;
  }

  /** The node is told of relays, its links and everybody else. */
  start(node: LabNode): void {
    node.handleLinks();
    node.input((now) => node.engine.handleDerpMap(this.#map, now));
  }

  /** Tells everybody what a node has reported, and the node of everybody. */
  report(node: LabNode): void {
    this.network.simulation.after(CONTROL_MS, () => {
      if (this.isControlAway) return;
      for (const other of this.nodes) {
        if (other === node) continue;
        other.input((now) => other.engine.handlePeer(this.#peer(node), now));
        node.input((now) => node.engine.handlePeer(this.#peer(other), now));
      }
    });
  }

  /** Passes on a packet through a relay, to which the sender connects if it must: over TCP, so nothing is lost. */
  relay(region: number, from: LabNode, to: NodePublic, bytes: Uint8Array): void {
    const { simulation } = this.network;
    from.regions.add(region);
    const target = this.nodes.find(({ node }) => node === to);
    if (target === undefined) return;
    this.network.log.note(
      simulation.now,
      from.name,
      `${looksLikeDisco(bytes) ? 'disco' : 'data'} by relay ${region}`,
      target.name,
    );
    simulation.after(2 * RELAY_MS, () => {
      if (target.regions.has(region)) return target.takeRelayed(region, from.node, bytes);
      simulation.after(RELAY_MS, () => from.input(() => from.engine.handleRelayGone(region, to)));
    });
  }

  #peer({ node, disco, endpoints, engine }: LabNode): Parameters<PathEngine['handlePeer']>[0] {
    return { node, disco, endpoints, homeRegion: engine.home };
  }
}

function answerStun(host: Host, { from, bytes }: Packet): void {
  const request = decodeBindingRequest(bytes);
  if (!request.ok) return;
  host.send(STUN_PORT, from, encodeBindingResponse(request.value.txId, from.address, from.port));
}
