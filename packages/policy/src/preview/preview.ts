/**
 * What every node of a tailnet would be sent under a policy, in full and in the protocol's field names:
 * to look at, and to compare with what another service says. Nothing is applied.
 *
 * The sources of a packet filter are spelled address by address here; what is sent says the same shorter.
 */
import { formatPrefix, type Prefix, singlePrefix } from '@malla/ip/prefix';
import type { EngineOptions, PolicyEngine } from '../engine/contract.ts';
import { createEngine } from '../engine/engine.ts';
import { EXIT_ROUTES } from '../engine/internet.ts';
import type { Policy } from '../policy.ts';
import { compileSshInFull } from '../ssh/compile.ts';
import type { PolicyNode } from '../tailnet.ts';
import type { FilterRule, SshPolicy } from '../wire.ts';
import type { NamedTailnet } from './topology.ts';

/** What one node sees of another. */
export interface PreviewPeer {
  /** Its addresses and the routes that it serves to this node. */
  readonly allowedIPs: readonly string[];
  /** Of these, the subnets; none: absent. */
  readonly primaryRoutes?: readonly string[];
}

/** What one node would be sent. */
export interface PreviewNode {
  readonly packetFilter: readonly FilterRule[];
  readonly sshPolicy: SshPolicy;
  readonly peers: { readonly [name: string]: PreviewPeer };
  readonly allowedIPs: readonly string[];
  /** The subnets for which it is primary; none: absent. */
  readonly primaryRoutes?: readonly string[];
  /** What `nodeAttrs` give it, beside what all nodes have. */
  readonly capMap: { readonly [capability: string]: readonly unknown[] | null };
}

export interface PreviewOptions extends Pick<EngineOptions, 'sshActionUrl'> {
  /** Which of the nodes that serve a subnet is primary, by rising id; absent: the first. */
  readonly primary?: (route: Prefix, among: readonly number[]) => number | undefined;
}

/** Says what each node, by name, would be sent. */
export function preview(
  policy: Policy,
  tailnet: NamedTailnet,
  options: PreviewOptions,
): { readonly [name: string]: PreviewNode } {
  const nodes = [...tailnet.nodes.values()];
  const primaryOf = primaries(nodes, options);
  const engine = createEngine(policy, {
    sshActionUrl: options.sshActionUrl,
    choose: (route, among) => {
      const primary = primaryOf.get(formatPrefix(route));
      return primary !== undefined && among.includes(primary) ? primary : among[0];
    },
  });
  engine.update({ users: tailnet.users, nodes });
  const entries = [...tailnet.nodes].map(([name, node]): [string, PreviewNode] => {
    const primary = node.routes
      .map(formatPrefix)
      .filter((route) => primaryOf.get(route) === node.id);
    const exit = node.exitNode ? EXIT_ROUTES : [];
    return [
      name,
      {
        packetFilter: engine.filterOf(node.id),
        sshPolicy: compileSshInFull(policy, engine.resolver, node, options),
        peers: peersOf(engine, node, tailnet.nodes, primaryOf),
        allowedIPs: [...own(node), ...[...node.routes, ...exit].map(formatPrefix)],
        ...(primary.length > 0 && { primaryRoutes: primary }),
        capMap: engine.attributes(node.id),
      },
    ];
  });
  return Object.fromEntries(entries);
}

function peersOf(
  engine: PolicyEngine,
  viewer: PolicyNode,
  nodes: ReadonlyMap<string, PolicyNode>,
  primaryOf: ReadonlyMap<string, number>,
): { readonly [name: string]: PreviewPeer } {
  const from = engine.classOf(viewer.id);
  const peers: [string, PreviewPeer][] = [];
  for (const [name, peer] of nodes) {
    if (peer.id === viewer.id || !engine.sees(from, engine.classOf(peer.id))) continue;
    const served = [
      ...peer.routes.filter((route) => primaryOf.get(formatPrefix(route)) === peer.id),
      ...(peer.exitNode ? EXIT_ROUTES : []),
    ];
    const routes = engine.visibleRoutes(from, peer.id, served);
    const subnets = routes.filter(({ bits }) => bits > 0).map(formatPrefix);
    peers.push([
      name,
      {
        allowedIPs: [...own(peer), ...routes.map(formatPrefix)],
        ...(subnets.length > 0 && { primaryRoutes: subnets }),
      },
    ]);
  }
  return Object.fromEntries(peers);
}

/** The primary node of each subnet. */
function primaries(
  nodes: readonly PolicyNode[],
  options: PreviewOptions,
): ReadonlyMap<string, number> {
  const serving = new Map<string, { readonly route: Prefix; readonly ids: number[] }>();
  for (const node of nodes.toSorted((a, b) => a.id - b.id)) {
    for (const route of node.routes) {
      const text = formatPrefix(route);
      const entry = serving.get(text) ?? { route, ids: [] };
      serving.set(text, entry);
      entry.ids.push(node.id);
    }
  }
  const primary = new Map<string, number>();
  for (const [text, { route, ids }] of serving) {
    const chosen = options.primary?.(route, ids) ?? ids[0];
    if (chosen !== undefined) primary.set(text, chosen);
  }
  return primary;
}

function own(node: PolicyNode): readonly string[] {
  return node.addresses.map((address) => formatPrefix(singlePrefix(address)));
}
