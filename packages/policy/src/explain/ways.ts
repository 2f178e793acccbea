/**
 * The ways to what is behind a router or an exit node: who has one, who would have one, and which of
 * them a source may take.
 */
import { containsPrefix, type Prefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { Explainable } from '../contract.ts';
import type { PolicyNode } from '../subjects.ts';
import { type End, isPresent } from './ends.ts';

/** A router and its route, `0.0.0.0/0` or `::/0` for an exit node. */
export interface Way {
  readonly router: PolicyNode;
  readonly route: Prefix;
}

export interface Ways {
  /** Approved, the longest route first. */
  readonly approved: readonly Way[];
  /** Announced, but not approved. */
  readonly waiting: readonly Way[];
}

/** All ways to an end that is no device. */
export function waysTo(engine: Explainable, end: End): Ways {
  const approved: Way[] = [];
  const waiting: Way[] = [];
  for (const router of engine.nodes()) {
    if (router.announced.length === 0) continue;
    const route = longest(router.routes, end);
    if (route !== undefined) approved.push({ router, route });
    const exit = EXIT_ROUTES.find((route0) => isWay(route0, end));
    if (end.internet && exit !== undefined && router.exitNode)
      approved.push({ router, route: exit });
    if (route !== undefined || (end.internet && router.exitNode)) continue;
    const announced = longest(router.announced, end);
    if (announced !== undefined && (announced.bits > 0 || end.internet)) {
      waiting.push({ router, route: announced });
    }
  }
  return { approved: approved.toSorted((a, b) => b.route.bits - a.route.bits), waiting };
}

/** Whether a prefix is behind a router, by an approved route. */
export function isRouted(engine: Explainable, prefix: Prefix): boolean {
  for (const { routes } of engine.nodes()) {
    if (routes.some((route) => containsPrefix(route, prefix))) return true;
  }
  return false;
}

/** Those that a device's client takes: of the routes that it is sent, the longest. */
export function taken(engine: Explainable, device: End, ways: readonly Way[]): readonly Way[] {
  if (!isPresent(device)) return ways;
  const viewer = engine.classOf(device.node.id);
  const sent = ways.filter(({ router, route }) =>
    engine.visibleRoutes(viewer, router.id, [route]).includes(route),
  );
  return sent.filter(({ route }) => route.bits === sent[0]?.route.bits);
}

function longest(routes: readonly Prefix[], end: End): Prefix | undefined {
  let found: Prefix | undefined;
  for (const route of routes) {
    if (isWay(route, end) && (found === undefined || route.bits > found.bits)) found = route;
  }
  return found;
}

function isWay(route: Prefix, end: End): boolean {
  return end.addresses.some((prefix) => containsPrefix(route, prefix));
}
