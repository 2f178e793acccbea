/**
 * What every node of a tailnet would be sent under a policy, in full and in the protocol's field names:
 * to look at, and to compare with what another service says. Nothing is applied. Routes that the policy
 * approves by itself count as approved.
 *
 * The sources of a packet filter are spelled address by address here; what is sent says the same shorter.
 */
import { formatPrefix, type Prefix, singlePrefix } from '@malla/ip/prefix';
import { EXIT_ROUTES, isExitRoute } from '@malla/ip/special';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { usesIpv4 } from '../attributes/ipv4.ts';
import type { ClassKey, EngineOptions, PolicyEngine } from '../contract.ts';
import { createEngine } from '../engine/engine.ts';
import type { Policy } from '../policy.ts';
import { compileSshInFull } from '../ssh/compile.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';

type Capabilities = { readonly [capability: string]: readonly unknown[] | null };

/** What one node is told of another. */
export interface PreviewedPeer {
  /** Its addresses and the routes that it serves to this node. */
  readonly allowedIPs: readonly string[];
  /** Of these, the subnets. Absent: none. */
  readonly primaryRoutes?: readonly string[];
  /** Absent: none. */
  readonly capMap?: Capabilities;
}

/** What one node would be sent. */
export interface PreviewedNode {
  readonly packetFilter: readonly FilterRule[];
  readonly sshPolicy: SshPolicy;
  readonly peers: { readonly [name: string]: PreviewedPeer };
  readonly allowedIPs: readonly string[];
  /** The subnets for which it is primary. Absent: none. */
  readonly primaryRoutes?: readonly string[];
  /** What `nodeAttrs` give it, beside what all nodes have. */
  readonly capMap: Capabilities;
}

/** What peers are told of an exit node that they may use. */
const SUGGESTED: Capabilities = { 'suggest-exit-node': null };

/**
 * Says what each node, by the name given, would be sent. Of the nodes that serve one subnet the one that
 * `options.choose` takes is primary, or the first by id.
 */
export function preview(
  policy: Policy,
  users: readonly PolicyUser[],
  nodes: ReadonlyMap<string, PolicyNode>,
  options: EngineOptions,
): ReadonlyMap<string, PreviewedNode> {
  const primaries: { of: ReadonlyMap<string, number> } = { of: new Map() };
  const engine = createEngine(policy, {
    ...options,
    choose: (route, among) => {
      const primary = primaries.of.get(formatPrefix(route)) ?? -1;
      return among.includes(primary) ? primary : among[0];
    },
  });
  engine.update({ users, nodes: [...nodes.values()] });
  const approved = [...nodes.values()].map((node) => withApproved(node, engine.autoApproved(node)));
  engine.update({ nodes: approved });
  primaries.of = electPrimaries(approved, options);
  const peersFor = peersByClass(engine, nodes, primaries.of);
  const viewed = new Map<string, PreviewedNode>();
  for (const [name, { id }] of nodes) {
    const node = engine.node(id);
    if (node === undefined) continue;
    const primary = node.routes.map(formatPrefix).filter((text) => primaries.of.get(text) === id);
    viewed.set(name, {
      packetFilter: engine.filterOf(id),
      sshPolicy: compileSshInFull(policy, engine.resolver, node, options),
      peers: peersFor(node),
      allowedIPs: [
        ...addressesOf(node, usesIpv4(engine, node)),
        ...node.routes.map(formatPrefix),
        ...exitRoutesOf(node).map(formatPrefix),
      ],
      ...(primary.length > 0 && { primaryRoutes: primary }),
      capMap: engine.attributes(id),
    });
  }
  return viewed;
}

/** Answers with the peers of a node. Nodes of a class with the same families of addresses are told the same. */
function peersByClass(
  engine: PolicyEngine,
  nodes: ReadonlyMap<string, PolicyNode>,
  primaryOf: ReadonlyMap<string, number>,
): (viewer: PolicyNode) => PreviewedNode['peers'] {
  const known = new Map<string, ReadonlyMap<number, readonly [string, PreviewedPeer]>>();
  return (viewer) => {
    const { id } = viewer;
    const from = engine.classOf(id);
    const ipv4 = usesIpv4(engine, viewer);
    const key = `${ipv4} ${from}`;
    let seen = known.get(key);
    if (seen === undefined) known.set(key, (seen = peersOf(engine, from, ipv4, nodes, primaryOf)));
    // Without a prototype it is a dictionary. Every node has other peers, and each such set of names
    // would else be a shape of its own for the engine: 30 times slower for a thousand nodes.
    const peers = Object.create(null) as Record<string, PreviewedPeer>;
    for (const [peer, [name, told]] of seen) if (peer !== id) peers[name] = told;
    return peers;
  };
}

/** All whom a class sees, by id, with their names. */
function peersOf(
  engine: PolicyEngine,
  from: ClassKey,
  viewerUsesIpv4: boolean,
  nodes: ReadonlyMap<string, PolicyNode>,
  primaryOf: ReadonlyMap<string, number>,
): ReadonlyMap<number, readonly [string, PreviewedPeer]> {
  const peers = new Map<number, readonly [string, PreviewedPeer]>();
  for (const [name, { id }] of nodes) {
    const peer = engine.node(id);
    if (peer === undefined || !engine.sees(from, engine.classOf(id))) continue;
    const primary = peer.routes.filter((route) => primaryOf.get(formatPrefix(route)) === id);
    const routes = engine.visibleRoutes(from, id, [...primary, ...exitRoutesOf(peer)]);
    const subnets = routes.filter((route) => !isExitRoute(route)).map(formatPrefix);
    const told = {
      allowedIPs: [
        ...addressesOf(peer, viewerUsesIpv4 && usesIpv4(engine, peer)),
        ...routes.map(formatPrefix),
      ],
      ...(subnets.length > 0 && { primaryRoutes: subnets }),
      ...(subnets.length < routes.length && { capMap: SUGGESTED }),
    };
    peers.set(id, [name, told]);
  }
  return peers;
}

function withApproved(node: PolicyNode, approved: readonly Prefix[]): PolicyNode {
  const served = new Map(
    [...node.routes, ...approved.filter((route) => !isExitRoute(route))].map((route) => [
      formatPrefix(route),
      route,
    ]),
  );
  return {
    ...node,
    routes: [...served.values()],
    exitNode: node.exitNode || approved.some(isExitRoute),
  };
}

function electPrimaries(
  nodes: readonly PolicyNode[],
  { choose }: EngineOptions,
): ReadonlyMap<string, number> {
  const serving = new Map<string, { readonly route: Prefix; readonly ids: number[] }>();
  for (const node of nodes.toSorted((a, b) => a.id - b.id)) {
    for (const route of node.routes) {
      const text = formatPrefix(route);
      const known = serving.get(text);
      if (known === undefined) serving.set(text, { route, ids: [node.id] });
      else known.ids.push(node.id);
    }
  }
  const primaries = new Map<string, number>();
  for (const [text, { route, ids }] of serving) {
    const chosen = choose === undefined ? ids[0] : choose(route, ids);
    if (chosen !== undefined) primaries.set(text, chosen);
  }
  return primaries;
}

function addressesOf(node: PolicyNode, ipv4: boolean): readonly string[] {
  const six = node.addresses.filter(({ family }) => family === 6);
  const shown = ipv4 || six.length === 0 ? node.addresses : six;
  return shown.map((address) => formatPrefix(singlePrefix(address)));
}

function exitRoutesOf(node: PolicyNode): readonly Prefix[] {
  return node.exitNode ? EXIT_ROUTES : [];
}
