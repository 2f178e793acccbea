/**
 * Nodes and users as the policy engine looks at them.
 */
import { type Address, parseAddress } from '@malla/ip/address';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { differenceOf, Differs } from '@malla/netmap/node-difference';
import { EXIT_ROUTES } from '@malla/netmap/tailcfg-node';
import type { User } from '@malla/netmap/user';
import type { PolicyNode, PolicyUser, PostureAttributes } from '@malla/policy/subjects';

/** A user, without a role: nobody has one yet. */
export function policyUser(user: User): PolicyUser {
  const { id, name, email, providerId } = user;
  return { id, name, email, providerId, role: undefined };
}

/** A node with what is known of its device; `posture` is what it was asked for beyond its Hostinfo. */
export function policyNode(node: Node, posture: PostureAttributes = NONE): PolicyNode {
  const { announced, routes, exitNode } = routesOf(node);
  return {
    id: node.id,
    userId: node.userId,
    tags: node.tags,
    addresses: [node.ipv4, node.ipv6].flatMap(address),
    announced: announced.flatMap(prefix),
    routes: routes.flatMap(prefix),
    exitNode,
    posture: new Map([...hostAttributes(node), ...posture]),
  };
}

/** Whether {@link policyNode} differs for two versions of a node. */
export function differsForPolicy(a: Node, b: Node): boolean {
  const differs = differenceOf(a, b);
  return (
    (differs & (Differs.owner | Differs.addresses)) !== 0 ||
    ((differs & Differs.hostinfo) !== 0 && hostText(a) !== hostText(b)) ||
    ((differs & (Differs.announced | Differs.approvedRoutes)) !== 0 &&
      routesText(a) !== routesText(b))
  );
}

function hostText(node: Node): string {
  return JSON.stringify([...hostAttributes(node)]);
}

function routesText(node: Node): string {
  return JSON.stringify(routesOf(node));
}

/** What a node announces, what of that it may serve, and whether it is an exit node: for both families or not at all. */
function routesOf({ hostinfo, approvedRoutes }: Node): {
  readonly announced: readonly string[];
  readonly routes: readonly string[];
  readonly exitNode: boolean;
} {
  const announced = hostinfo.RoutableIPs ?? [];
  const approved = new Set(approvedRoutes);
  const usable = announced.filter((route) => approved.has(route));
  return {
    announced,
    routes: usable.filter((route) => !EXIT_ROUTES.includes(route)),
    exitNode: EXIT_ROUTES.every((route) => usable.includes(route)),
  };
}

const NONE: PostureAttributes = new Map();

/**
 * The posture attributes that a client reports by itself.
 *
 * Source: Tailscale's documentation of device posture attributes. Observed: client 1.102.
 */
function hostAttributes({ hostinfo }: Node): PostureAttributes {
  const out = new Map<string, string | boolean>();
  const { OS, OSVersion, IPNVersion, StateEncrypted } = hostinfo;
  // Clients say macOS and iOS, conditions macos and ios.
  if (OS !== undefined && OS !== '') out.set('node:os', OS.toLowerCase());
  if (typeof OSVersion === 'string' && OSVersion !== '') out.set('node:osVersion', OSVersion);
  const version = typeof IPNVersion === 'string' ? /^\d+\.(\d+)\.\d+/.exec(IPNVersion) : null;
  if (version !== null) {
    out.set('node:tsVersion', version[0]);
    // Releases with an odd minor number are unstable ones.
    out.set('node:tsReleaseTrack', Number(version[1]) % 2 === 0 ? 'stable' : 'unstable');
  }
  if (typeof StateEncrypted === 'boolean') out.set('node:tsStateEncrypted', StateEncrypted);
  return out;
}

function prefix(text: string): readonly Prefix[] {
  const parsed = parsePrefix(text);
  return parsed.ok ? [parsed.value] : [];
}

function address(text: string | undefined): readonly Address[] {
  const parsed = text === undefined ? undefined : parseAddress(text);
  return parsed?.ok === true ? [parsed.value] : [];
}
