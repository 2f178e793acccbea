/**
 * Hosts, networks and the routers between them, in which datagrams take their time, overtake each other and
 * get lost. A packet goes hop by hop, so a filter that opens while it is under way lets it in.
 *
 * IPv4 is translated by routers; IPv6 is not, and filtered by the same rule.
 */
import { type Address, formatAddress } from '@malla/ip/address';
import { type Endpoint, endpointOf } from '@malla/ip/endpoint';
import { FlowLog } from './flow-log.ts';
import { Nat, type NatKind } from './nat.ts';
import type { Simulation } from './simulation.ts';

export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

/** Something with addresses in a network. */
interface Attached {
  readonly name: string;
  readonly take: (packet: Packet) => void;
}

export interface LinkQuality {
  /** Of a hop, ms: from and to. The further apart, the more packets overtake each other. */
  readonly latencyMs: readonly [number, number];
  /** 0 to 1. */
  readonly loss: number;
}

/** One network: a LAN, a provider's, or the internet. */
export class Segment {
  readonly name: string;
  readonly #network: Network;
  readonly #quality: LinkQuality;
  readonly #attached = new Map<string, Attached>();
  /** Where everything else goes. */
  gateway: Attached | undefined;

  constructor(network: Network, name: string, quality: LinkQuality) {
    this.#network = network;
    this.name = name;
    this.#quality = quality;
  }

  attach(address: Address, what: Attached): void {
    this.#attached.set(formatAddress(address), what);
  }

  detach(address: Address): void {
    this.#attached.delete(formatAddress(address));
  }

  /** Sends a packet on its way through this network. */
  send(packet: Packet, by: string): void {
    const { simulation, log } = this.#network;
    const target = this.#attached.get(formatAddress(packet.to.address)) ?? this.gateway;
    const drop = (why: string): void => log.add(simulation.now, by, target?.name, packet, why);
    if (target === undefined || target.name === by) return drop('no way');
    if (this.#network.isCut(by, target.name)) return drop('cut');
    if (simulation.chance() < this.#quality.loss) return drop('lost');
    log.add(simulation.now, by, target.name, packet, undefined);
    const [from, to] = this.#quality.latencyMs;
    simulation.after(from + (to - from) * simulation.chance(), () => target.take(packet));
  }
}

/** A machine with one link. What comes for it is taken by `onPacket`. */
export class Host implements Attached {
  readonly name: string;
  readonly onPacket: (packet: Packet) => void;
  #segment: Segment | undefined;
  #addresses: readonly Address[] = [];

  constructor(name: string, onPacket: (packet: Packet) => void) {
    this.name = name;
    this.onPacket = onPacket;
  }

  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  /** Leaves the network it is in for another. */
  move(segment: Segment | undefined, addresses: readonly Address[]): void {
    for (const address of this.#addresses) this.#segment?.detach(address);
    this.#segment = segment;
    this.#addresses = addresses;
    for (const address of addresses) segment?.attach(address, this);
  }

  /** From its address of the family, if it has one. */
  send(port: number, to: Endpoint, bytes: Uint8Array): void {
    const own = this.#addresses.find(({ family }) => family === to.address.family);
    if (own !== undefined)
      this.#segment?.send({ from: endpointOf(own, port), to, bytes }, this.name);
  }

  take(packet: Packet): void {
    // It may have moved while the packet was under way.
    const isOurs = this.#addresses.some((own) => own.value === packet.to.address.value);
    if (isOurs) this.onPacket(packet);
  }
}

/** A router between a network and the one that it gets its address from. */
export class Router {
  readonly name: string;
  readonly inside: Segment;
  readonly nat: Nat;
  readonly #outside: Segment;
  readonly #simulation: Simulation;
  /** Filters of IPv6, by inside address: each has all ports to itself. */
  readonly #six = new Map<bigint, Nat>();
  readonly #outer: Attached;
  #address: Address;

  constructor(
    simulation: Simulation,
    name: string,
    place: { readonly inside: Segment; readonly outside: Segment; readonly address: Address },
    kind: NatKind,
  ) {
    this.#simulation = simulation;
    this.name = name;
    this.inside = place.inside;
    this.#outside = place.outside;
    this.#address = place.address;
    this.nat = new Nat(kind, (limit) => simulation.below(limit));
    this.#outer = { name, take: (packet) => this.#takeOutside(packet) };
    place.outside.attach(place.address, this.#outer);
    place.inside.gateway = { name, take: (packet) => this.#takeInside(packet) };
  }

  /** It gets another address from outside; nobody inside is told. */
  renumber(address: Address): void {
    this.#outside.detach(this.#address);
    this.#address = address;
    this.#outside.attach(address, this.#outer);
    this.nat.forget();
  }

  /** An address of IPv6 inside is reached through here. */
  route(address: Address): void {
    this.#outside.attach(address, this.#outer);
  }

  #filterOf({ value }: Address): Nat {
    let filter = this.#six.get(value);
    if (filter === undefined) {
      const kind = { ...this.nat.kind, mapping: 'endpoint-independent' as const };
      filter = new Nat(kind, (limit) => this.#simulation.below(limit));
      this.#six.set(value, filter);
    }
    return filter;
  }

  #takeInside(packet: Packet): void {
    const { now } = this.#simulation;
    if (packet.to.address.family === 6) {
      // Only the filter counts: the port of a mapping is not used.
      this.#filterOf(packet.from.address).out(packet.from, packet.to, now);
      return this.#outside.send(packet, this.name);
    }
    const from = endpointOf(this.#address, this.nat.out(packet.from, packet.to, now));
    if (packet.to.address.value !== this.#address.value) {
      return this.#outside.send({ ...packet, from }, this.name);
    }
    if (this.nat.kind.hairpins) this.#takeOutside({ ...packet, from });
  }

  #takeOutside(packet: Packet): void {
    const { now } = this.#simulation;
    if (packet.to.address.family === 6) {
      const inside = this.#filterOf(packet.to.address).in(packet.from, packet.to.port, now);
      if (inside?.text === packet.to.text) this.inside.send(packet, this.name);
      return;
    }
    const to = this.nat.in(packet.from, packet.to.port, now);
    if (to !== undefined) this.inside.send({ ...packet, to }, this.name);
  }
}

export class Network {
  readonly simulation: Simulation;
  readonly log = new FlowLog();
  readonly internet: Segment;
  readonly #cuts = new Set<string>();

  constructor(simulation: Simulation, quality: LinkQuality) {
    this.simulation = simulation;
    this.internet = new Segment(this, 'internet', quality);
  }

  /** A network inside, quick and without loss. */
  lan(name: string): Segment {
    return new Segment(this, name, { latencyMs: [0.2, 0.6], loss: 0 });
  }

  /** Nothing passes between what has the name and its network any more. */
  cut(name: string): void {
    this.#cuts.add(name);
  }

  mend(name: string): void {
    this.#cuts.delete(name);
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(a) || this.#cuts.has(b);
  }
}
