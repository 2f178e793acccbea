/**
 * Tunnels on one clock, with a network between them that a test holds in its hand: datagrams lie there until they
 * are delivered, dropped, or delivered again. For tests.
 */
import assert from 'node:assert/strict';
import type { Instant } from '@malla/base/engine';
import { parsePrefixOrAddress } from '@malla/ip/prefix';
import { formatKey, type NodePublic } from '@malla/keys/key';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { plainTunnelCrypto } from '@malla/plain-crypto/tunnel';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { MessageType } from '../message.ts';
import type { Peer, PeerConfig } from '../peer.ts';
import { transportAead } from '../transport-aead.ts';
import { type DatagramFault, sealedBytes, Tunnel } from '../tunnel.ts';
import type { TunnelEvent } from '../tunnel-event.ts';
import type { TunnelOptions } from '../tunnel-options.ts';
import { seededBytes } from './seeded.ts';

/** When worlds begin. */
export const START_UNIX_MS = 1_790_000_000_000;

/** On its way. */
export interface Flying {
  readonly from: Node;
  readonly to: Node;
  readonly datagram: Uint8Array;
}

/** One node: its tunnel, and what came out of it. Node n has 100.64.0.n. */
export class Node {
  readonly number: number;
  readonly key: NodePublic;
  tunnel: Tunnel;
  readonly packets: Uint8Array[] = [];
  readonly events: TunnelEvent[] = [];
  readonly faults: DatagramFault[] = [];
  keepAlives = 0;
  /** From where others hear it. */
  source: Uint8Array;
  readonly options: TunnelOptions;

  constructor(number: number, now: Instant, options: Partial<TunnelOptions> = {}) {
    const key = importPrivate(new Uint8Array(32).fill(number));
    this.number = number;
    this.key = formatKey('nodekey', key.publicBytes);
    this.source = Uint8Array.of(192, 0, 2, number, 0xa4, 0x55);
    this.options = {
      key,
      crypto: plainTunnelCrypto,
      aead: transportAead(plainCrypto),
      importPrivate,
      random: seededBytes(number),
      unixMs: START_UNIX_MS + now,
      ...options,
    };
    this.tunnel = new Tunnel(now, this.options);
  }

  /** Its kinds of events, one by one, since it was last asked. */
  takeEvents(): string[] {
    return this.events.splice(0).map(({ kind }) => kind);
  }
}

export class World {
  now: Instant = 1_000;
  readonly nodes: Node[] = [];
  readonly flying: Flying[] = [];

  /** A node more, that knows all before it and is known to them. */
  add(options: Partial<TunnelOptions> = {}, config: Partial<PeerConfig> = {}): Node {
    const node = new Node(this.nodes.length + 1, this.now, options);
    for (const other of this.nodes) {
      this.introduce(other, node, config);
      this.introduce(node, other, config);
    }
    this.nodes.push(node);
    return node;
  }

  introduce(node: Node, other: Node, config: Partial<PeerConfig> = {}): Peer {
    const set = node.tunnel.setPeer(
      { key: other.key, allowedIps: [prefix(`100.64.0.${other.number}`)], ...config },
      this.now,
    );
    this.collect(node);
    return set.ok ? set.value : assert.fail(set.error);
  }

  /** Sends a packet from one to another; what comes of it flies. */
  send(from: Node, to: Node, text = ''): void {
    const packet = packetOf(from.number, to.number, text);
    const peer = from.tunnel.route(packet, 0, packet.length) ?? assert.fail('no route');
    const into = new Uint8Array(sealedBytes(packet.length));
    const bytes = from.tunnel.seal(peer, packet, 0, packet.length, into, 0, this.now);
    if (bytes > 0) this.flying.push({ from, to, datagram: into.subarray(0, bytes) });
    this.collect(from);
  }

  /** Hands over one datagram; it may be handed over again. */
  deliver({ from, to, datagram }: Flying): void {
    const bytes = datagram.slice();
    const received = to.tunnel.handleDatagram(bytes, 0, bytes.length, from.source, this.now);
    if (received.kind === 'packet') {
      to.packets.push(bytes.slice(received.at, received.at + received.length));
    } else if (received.kind === 'keep-alive') to.keepAlives++;
    else if (received.fault !== undefined) to.faults.push(received.fault);
    this.collect(to);
  }

  /** Delivers all that flies, and what follows from it. */
  settle(): void {
    for (let one = this.flying.shift(); one !== undefined; one = this.flying.shift()) {
      this.deliver(one);
    }
  }

  /** Lets time pass, timer by timer; what is said meanwhile is delivered at once, or lost. */
  pass(ms: number, isLost: (flying: Flying) => boolean = () => false): void {
    const end = this.now + ms;
    for (;;) {
      for (let one = this.flying.shift(); one !== undefined; one = this.flying.shift()) {
        if (!isLost(one)) this.deliver(one);
      }
      const due = Math.min(...this.nodes.map(({ tunnel }) => tunnel.pollTimeout() ?? Infinity));
      if (due > end) break;
      this.now = Math.max(this.now, due);
      this.tick();
    }
    this.now = end;
  }

  /** Tells every node what time it is. */
  tick(): void {
    for (const node of this.nodes) {
      node.tunnel.handleTimeout(this.now);
      this.collect(node);
    }
  }

  /** What a node has to say. */
  collect(node: Node): void {
    for (let one = node.tunnel.pollTransmit(); one !== undefined;) {
      const { datagram } = one;
      const to = this.nodes.find((other) =>
        one?.to === 'peer'
          ? other.key === one.peer.key
          : Buffer.compare(other.source, one?.source ?? new Uint8Array()) === 0,
      );
      if (to !== undefined) this.flying.push({ from: node, to, datagram });
      one = node.tunnel.pollTransmit();
    }
    for (let one = node.tunnel.pollEvent(); one !== undefined; one = node.tunnel.pollEvent()) {
      node.events.push(one);
    }
  }
}

/** What a datagram is, for people. */
export function nameOf({ datagram }: Flying): string {
  if (datagram[0] === MessageType.initiation) return 'initiation';
  if (datagram[0] === MessageType.response) return 'response';
  if (datagram[0] === MessageType.cookieReply) return 'cookie reply';
  return datagram.length === 32 ? 'keep-alive' : 'data';
}

/** An IPv4 packet of 20 bytes and a text. */
export function packetOf(from: number, to: number, text = ''): Uint8Array {
  const body = Buffer.from(text);
  const bytes = new Uint8Array(20 + body.length);
  bytes[0] = 0x45;
  bytes[2] = bytes.length >> 8;
  bytes[3] = bytes.length;
  bytes[9] = 17;
  bytes.set([100, 64, 0, from, 100, 64, 0, to], 12);
  bytes.set(body, 20);
  return bytes;
}

/** The text of one. */
export function textOf(packet: Uint8Array | undefined): string {
  return Buffer.from(packet?.subarray(20) ?? []).toString();
}

/** An address or prefix. */
export function prefix(text: string): PeerConfig['allowedIps'][number] {
  const parsed = parsePrefixOrAddress(text);
  return parsed.ok ? parsed.value : assert.fail(text);
}
