/**
 * Nodes and users as the policy engine looks at them.
 */
import { type Address, parseAddress } from '@malla/ip/address';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { EXIT_ROUTES } from '@malla/netmap/tailcfg-node';
import type { User } from '@malla/netmap/user';
import type { PolicyNode, PolicyUser, PostureAttributes } from '@malla/policy/tailnet';

/** A user, without a role: nobody has one yet. */
export function policyUser(user: User): PolicyUser {
  const { id, name, email, providerId } = user;
  return { id, name, email, providerId, role: undefined };
}

/** A node with what is known of its device; `posture` is what it was asked for beyond its Hostinfo. */
export function policyNode(node: Node, posture: PostureAttributes = NONE): PolicyNode {
  const announced = prefixes(node.hostinfo.RoutableIPs ?? []);
  const approved = new Set(node.approvedRoutes);
  const usable = announced.filter((prefix) => approved.has(formatPrefix(prefix)));
  return {
    id: node.id,
    userId: node.userId,
    tags: node.tags,
    addresses: [node.ipv4, node.ipv6].flatMap(address),
    announced,
    routes: usable.filter((prefix) => !isExit(prefix)),
    exitNode: usable.filter(isExit).length === EXIT_ROUTES.length,
    posture: new Map([...hostAttributes(node), ...posture]),
  };
}

/** Whether a policy could treat two versions of a node differently. */
export function differsForPolicy(a: Node, b: Node): boolean {
  return (
    a.userId !== b.userId ||
    a.ipv4 !== b.ipv4 ||
    a.ipv6 !== b.ipv6 ||
    (a.tags !== b.tags && a.tags.join() !== b.tags.join()) ||
    (a.approvedRoutes !== b.approvedRoutes &&
      a.approvedRoutes.join() !== b.approvedRoutes.join()) ||
    (a.hostinfo !== b.hostinfo &&
      (a.hostinfo.RoutableIPs?.join() !== b.hostinfo.RoutableIPs?.join() ||
        [...hostAttributes(a)].join() !== [...hostAttributes(b)].join()))
  );
}

function isExit(prefix: Prefix): boolean {
  return EXIT_ROUTES.includes(formatPrefix(prefix));
}

const NONE: PostureAttributes = new Map();

/** Names of systems in posture conditions, by what Hostinfo.OS says. */
const SYSTEMS: Readonly<Record<string, string>> = { macOS: 'macos', iOS: 'ios', tvOS: 'tvos' };

/**
 * The posture attributes that a client reports by itself.
 *
 * Source: Tailscale's documentation of device posture attributes. Observed: client 1.102.
 */
function hostAttributes({ hostinfo }: Node): PostureAttributes {
  const out = new Map<string, string | boolean>();
  const { OS, OSVersion, IPNVersion, StateEncrypted } = hostinfo;
  if (OS !== undefined && OS !== '') out.set('node:os', SYSTEMS[OS] ?? OS.toLowerCase());
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

function prefixes(texts: readonly string[]): readonly Prefix[] {
  return texts.flatMap((text) => {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value] : [];
  });
}

function address(text: string | undefined): readonly Address[] {
  const parsed = text === undefined ? undefined : parseAddress(text);
  return parsed?.ok === true ? [parsed.value] : [];
}
