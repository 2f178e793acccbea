/** For tests of fan-out: one over a state in memory, and clients that believe what they are sent. */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import type { Node } from '@malla/netmap/node';
import { encodePeer, type Naming, NOTHING_GRANTED } from '@malla/netmap/tailcfg-node';
import { ClientNetmap, MapMessageReader } from '@malla/testkit/client-netmap';
import type { MapResponse } from '@malla/wire/tailcfg/map-response';
import type { CapMap } from '@malla/wire/tailcfg/node';
import type { Change } from '../core/change.ts';
import { State } from '../core/state.ts';
import { Common } from '../fanout/change-log.ts';
import type { Facts } from '../fanout/class-view.ts';
import { Fanout } from '../fanout/fanout.ts';
import type { MapStream } from '../fanout/map-stream.ts';
import type { Encoding } from '../fanout/message.ts';
import type { Rules } from '../fanout/rules.ts';
import { testNode, testUser } from './rows.ts';

export const NAMING: Naming = { baseDomain: 'tailnet.test' };
/** Unix ms. */
export const NOW = 1_700_000_000_000;

/** A client at the end of a stream: reads what it is sent, unless it is told to stall. */
export class Client {
  readonly netmap = new ClientNetmap();
  readonly sizes: number[] = [];
  readonly messages: MapResponse[] = [];
  ended = false;
  stalled = false;
  readonly #reader: MapMessageReader;
  readonly #fullAfter: number;
  readonly #onWrite: () => void;

  constructor(encoding: Encoding, fullAfter = Infinity, onWrite: () => void = () => {}) {
    this.#onWrite = onWrite;
    this.#reader = new MapMessageReader(encoding);
    this.#fullAfter = fullAfter;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    let size = 0;
    for (const piece of pieces) {
      size += piece.length;
      for (const message of this.#reader.read(piece)) {
        this.messages.push(message);
        this.netmap.apply(message);
      }
    }
    this.sizes.push(size);
    this.#onWrite();
    return !this.stalled && this.sizes.length < this.#fullAfter;
  }

  end(): void {
    this.ended = true;
  }
}

/** A tailnet with a fan-out, whose time passes only in {@link FanoutWorld.settle}. */
export class FanoutWorld {
  readonly state = new State();
  readonly online = new Set<number>();
  readonly served = new Map<number, readonly string[]>();
  readonly fanout: Fanout;
  readonly tasks: { task: () => void; delayMs: number }[] = [];
  now = 0;
  /** How much time passes whenever it is asked for, ms: so that work is cut into slices. */
  tickMs = 0;
  compressions = 0;

  constructor(
    rules: Rules,
    users: number,
    nodes: readonly Partial<Node>[],
    capMap: (node: Node) => CapMap = () => ({ 'cache-network-maps': null }),
    usesIpv4: (node: Node) => boolean = () => true,
  ) {
    for (let id = 1; id <= users; id++) {
      this.state.apply({ table: 'user', id, before: undefined, after: testUser(id, `user${id}`) });
    }
    for (const [i, node] of nodes.entries()) {
      const after = testNode(i + 1, node);
      this.state.apply({ table: 'node', id: after.id, before: undefined, after });
    }
    const facts: Facts = {
      node: (id) => this.state.node(id),
      nodesOfUser: (id) => this.state.nodesOfUser(id),
      user: (id) => this.state.user(id),
      presence: (id) => ({ online: this.online.has(id), lastSeen: NOW - 1000 }),
      served: (id) => this.served.get(id) ?? [],
      mayServe: (id) => this.served.has(id),
      usesIpv4,
      peerCapMap: () => undefined,
      naming: NAMING,
      now: () => NOW,
      commonMembers: (parts) =>
        [
          parts & Common.derpMap ? '"DERPMap":{"Regions":{}}' : '',
          parts & Common.dns ? '"DNSConfig":{}' : '',
        ].filter((member) => member !== ''),
      compress: (text) => {
        this.compressions++;
        return zlib.zstdCompressSync(text);
      },
    };
    this.fanout = new Fanout(
      {
        facts,
        rules,
        capMap,
        ownMembers: () => [],
        firstMembers: () => ['"Domain":"tailnet.test"'],
        schedule: (task, delayMs) => this.tasks.push({ task, delayMs }),
        monotonic: () => (this.now += this.tickMs),
      },
      this.state.nodes(),
    );
  }

  open(id: number, client: Client, encoding: Encoding = 'plain'): MapStream {
    const stream = this.fanout.open(this.node(id), encoding, client);
    this.online.add(id);
    this.fanout.presenceChanged(this.node(id));
    return stream;
  }

  node(id: number): Node {
    const node = this.state.node(id);
    assert.ok(node);
    return node;
  }

  change(id: number, fields: Partial<Node> | undefined): void {
    const before = this.state.node(id);
    const after =
      fields === undefined
        ? undefined
        : before === undefined
          ? testNode(id, fields)
          : { ...before, ...fields };
    const change: Change = { table: 'node', id, before, after };
    this.state.apply(change);
    this.fanout.apply([change]);
  }

  /** Runs what is scheduled next. False: nothing is. */
  step(): boolean {
    const next = this.tasks.shift();
    if (next === undefined) return false;
    this.now += next.delayMs;
    next.task();
    return true;
  }

  /** Runs what is scheduled until nothing is. */
  settle(): void {
    while (this.step());
  }
}

/** What the client of a node should believe, worked out from nothing but the state. */
export function expected(world: FanoutWorld, rules: Rules, id: number): Record<string, unknown> {
  const self = world.node(id);
  const out: Record<string, unknown> = {};
  for (const node of world.state.nodes()) {
    if (node.id === id) continue;
    if (![...rules.seenBy(rules.classOf(self))].includes(rules.classOf(node))) continue;
    const served = world.served.get(node.id) ?? [];
    const routes = rules.visibleRoutes(rules.classOf(self), node.id, served);
    const presence = { online: world.online.has(node.id), lastSeen: NOW - 1000 };
    out[String(node.id)] = JSON.parse(
      encodePeer(node, presence, NAMING, NOW, { ...NOTHING_GRANTED, routes }),
    );
  }
  return out;
}

/** What a client believes of its peers, by id. */
export function believed(client: Client): Record<string, unknown> {
  return Object.fromEntries([...client.netmap.peers].map(([id, peer]) => [String(id), peer]));
}
