/**
 * Where nodes may be: on the internet, behind a NAT of any kind, behind two, beside another node, with
 * IPv6 or without. A world is made of a description, so that it can be made twice.
 */
import { type Address, parseAddress } from '@malla/ip/address';
import type { Dependence, NatKind } from './nat.ts';
import { type Network, Router, type Segment } from './network.ts';
import type { Simulation } from './simulation.ts';

export interface Place {
  /** From the internet inwards; none: it has a public address. */
  readonly nats: readonly NatKind[];
  /** The number of an earlier place in whose innermost network it is. */
  readonly beside: number | undefined;
  readonly hasIpv6: boolean;
}

/** A place as it was built. */
export interface Built {
  readonly segment: Segment;
  readonly addresses: readonly Address[];
  /** The one at the internet, where it has any. */
  readonly router: Router | undefined;
}

const DEPENDENCES: readonly Dependence[] = ['endpoint-independent', 'address', 'address-and-port'];
/** Relays, of two different addresses. */
export const RELAYS: readonly Address[] = [address('192.0.2.1'), address('192.0.2.2')];

/** Any place, by chance. */
export function anyPlace(simulation: Simulation, earlier: number): Place {
  const kind = (): NatKind => ({
    mapping: simulation.pick(DEPENDENCES),
    filtering: simulation.pick(DEPENDENCES),
    idleMs: 30_000 + simulation.below(90_000),
    hairpins: simulation.chance() < 0.3,
  });
  const beside = earlier > 0 && simulation.chance() < 0.2 ? simulation.below(earlier) : undefined;
  const depth = simulation.pick([0, 1, 1, 1, 1, 2]);
  return {
    nats: Array.from({ length: depth }, kind),
    beside,
    hasIpv6: simulation.chance() < 0.25,
  };
}

/** Builds places in a network, of which all have the same private addresses, as people's have. */
export function build(network: Network, places: readonly Place[]): Built[] {
  const built: Built[] = [];
  const routersOf: Router[][] = [];
  for (const [i, { nats, beside, hasIpv6 }] of places.entries()) {
    let segment = network.internet;
    let outer = address(`198.51.100.${i + 1}`);
    let routers: Router[] = [];
    const neighbour = beside === undefined ? undefined : built[beside];
    if (neighbour !== undefined) {
      segment = neighbour.segment;
      routers = routersOf[beside ?? 0] ?? [];
    } else {
      for (const [depth, kind] of nats.entries()) {
        const name = `nat-${i}-${depth}`;
        const inside = network.lan(`lan-${i}-${depth}`);
        const place = { inside, outside: segment, address: outer };
        routers.push(new Router(network.simulation, name, place, kind));
        segment = inside;
        outer = address(depth + 1 < nats.length ? '100.64.0.2' : '192.168.1.2');
      }
    }
    const isPublic = segment === network.internet;
    const four = isPublic ? address(`198.51.100.${i + 101}`) : address(`192.168.1.${i + 10}`);
    const six = address(`2001:db8::${i + 1}`);
    if (hasIpv6) for (const router of routers) router.route(six);
    routersOf.push(routers);
    built.push({ segment, addresses: hasIpv6 ? [four, six] : [four], router: routers[0] });
  }
  return built;
}

/** An address from its text, which is right. */
export function address(text: string): Address {
  const read = parseAddress(text);
  if (!read.ok) throw new Error(text);
  return read.value;
}
