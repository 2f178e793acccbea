/** What the clients of a small tailnet are told under a policy or without one, and what follows from that. For tests. */
import assert from 'node:assert/strict';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { contains, formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { INTERNET } from '@malla/policy/internet';
import type { Policy } from '@malla/policy/policy';
import type { World } from '@malla/policy/testing/world';
import type { ClientNetmap } from '@malla/testkit/client-netmap';
import { rulesAdmit } from '@malla/testkit/packet-filter';
import { Access, type DefaultRule } from '../access/access.ts';
import { policyNode } from '../access/policy-node.ts';
import { Client, FanoutWorld } from './fanout-world.ts';
import { testUser } from './rows.ts';

/** Protocol and port. */
export type Service = readonly [protocol: number, port: number];

/** Clients of all nodes, connected, that have heard everything. */
export class ToldClients {
  readonly world: FanoutWorld;
  readonly #netmaps = new Map<number, ClientNetmap>();

  constructor(rule: DefaultRule, policy: Policy | undefined, { users, nodes }: World) {
    const access: Access = new Access({
      default: rule,
      engine: { sshActionUrl: 'https://unused/ssh' },
      nodes: () => world.state.nodes(),
      users: () => world.state.users(),
      posture: (id) => nodes.find((node) => node.id === id)?.posture,
    });
    const rows = nodes.map((node): Partial<Node> => {
      const [ipv4, ipv6] = node.addresses.map(formatAddress);
      const { userId, tags, announced, routes, exitNode } = node;
      const approvedRoutes = [...routes.map(formatPrefix), ...exitRoutes(exitNode)];
      // Real exit nodes announce both families.
      const RoutableIPs = [...new Set([...announced.map(formatPrefix), ...exitRoutes(exitNode)])];
      return { userId, tags, ipv4, ipv6, hostinfo: { RoutableIPs }, approvedRoutes };
    });
    const world = new FanoutWorld(access.rules, users.length, rows, ({ id }) =>
      access.attributes(id),
    );
    for (const { id, name, email, providerId } of users) {
      const after = { ...testUser(id, name), email, providerId };
      world.state.apply({ table: 'user', id, before: world.state.user(id), after });
    }
    for (const node of world.state.nodes()) {
      const { routes, exitNode } = policyNode(node);
      world.served.set(node.id, [...routes.map(formatPrefix), ...exitRoutes(exitNode)]);
    }
    if (access.setPolicy(policy) === undefined) world.fanout.setRules(access.rules);
    for (const { id } of nodes) {
      const client = new Client('plain');
      world.open(id, client);
      this.#netmaps.set(id, client.netmap);
    }
    world.settle();
    this.world = world;
  }

  /** Ids of the peers of a client. */
  peersOf(id: number): ReadonlySet<number> {
    return new Set(this.#netmap(id).peers.keys());
  }

  /** The routes that a client has by its peers, as `10.0.0.0/24 via 3`. */
  routesOf(id: number): ReadonlySet<string> {
    const { peers } = this.#netmap(id);
    return new Set(
      [...peers.keys()].flatMap((peer) => {
        const { routes } = this.#allowed(id, peer);
        return routes.map((route) => `${formatPrefix(route)} via ${peer}`);
      }),
    );
  }

  /** Whether a packet of one client is let in by another, for itself or for what is behind it. */
  admits(from: number, at: number, source: Address, to: Address, service: Service): boolean {
    const [protocol, port] = service;
    const { filter } = this.#netmap(at);
    return (
      this.peersOf(at).has(from) && rulesAdmit(filter, { source, destination: to, protocol, port })
    );
  }

  /** Whether one client gets through to an address of another. */
  reaches(from: number, source: Address, to: number, target: Address, service: Service): boolean {
    const known = this.#allowed(from, to).all.some((range) => contains(range, target));
    const heard = this.#allowed(to, from).all.some((range) => contains(range, source));
    return known && heard && this.admits(from, to, source, target, service);
  }

  /** Whether a client gets through to what is behind routers and exit nodes. */
  reachesOut(from: number, source: Address, target: Address, service: Service): boolean {
    return this.#nextHops(from, target).some((router) =>
      this.admits(from, router, source, target, service),
    );
  }

  /** Whether what is behind a router gets through to a client. */
  reachesIn(source: Address, to: number, target: Address, service: Service): boolean {
    const hops = this.#nextHops(to, source);
    return hops.some((router) => this.admits(router, to, source, target, service));
  }

  /** Of the ranges that a client is sent the longest decide; a private address is not for exit nodes. */
  #nextHops(id: number, target: Address): readonly number[] {
    const isPublic = INTERNET.some((part) => contains(part, target));
    let best = -1;
    let hops: number[] = [];
    for (const peer of this.#netmap(id).peers.keys()) {
      for (const range of this.#allowed(id, peer).all) {
        if (!contains(range, target) || (range.bits === 0 && !isPublic)) continue;
        if (range.bits > best) hops = [];
        best = Math.max(best, range.bits);
        if (range.bits === best) hops.push(peer);
      }
    }
    return hops;
  }

  #allowed(
    id: number,
    peer: number,
  ): { readonly all: readonly Prefix[]; readonly routes: readonly Prefix[] } {
    const told = this.#netmap(id).peers.get(peer);
    const { AllowedIPs = [], Addresses = [] } = (told ?? {}) as Record<string, readonly string[]>;
    const routes = AllowedIPs.filter((text) => !Addresses.includes(text));
    return { all: AllowedIPs.map(prefixOf), routes: routes.map(prefixOf) };
  }

  #netmap(id: number): ClientNetmap {
    return this.#netmaps.get(id) ?? assert.fail(`no client ${id}`);
  }
}

export function addressOf(text: string): Address {
  const address = parseAddress(text);
  assert.ok(address.ok, text);
  return address.value;
}

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert.ok(prefix.ok, text);
  return prefix.value;
}

function exitRoutes(exitNode: boolean): readonly string[] {
  return exitNode ? ['0.0.0.0/0', '::/0'] : [];
}
