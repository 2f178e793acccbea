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
import { finished } from '../engine/steps.ts';
import { ALLOW_ALL, type Policy } from '../policy.ts';
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

/** Nodes that are taken in between two steps. */
const AT_ONCE = 20;

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
  const ready = finished(prepareSteps(policy, users, nodes, options));
  const viewed = new Map<string, PreviewedNode>();
  for (const name of nodes.keys()) {
    const told = finished(ready.node(name));
    if (told !== undefined) viewed.set(name, told);
  }
  return viewed;
}

/** A preview that is ready to be asked of one node after the other. */
export interface Preview {
  /** What a node would be sent, made a little at each step; undefined: there is none of that name. */
  node(name: string): Generator<void, PreviewedNode | undefined>;
  /** How many peers a node would be told of, itself perhaps included. */
  peersOf(name: string): number;
}

/**
 * Makes a preview, a little at each step.
 *
 * @yields Nothing.
 */
export function* prepareSteps(
  policy: Policy,
  users: readonly PolicyUser[],
  nodes: ReadonlyMap<string, PolicyNode>,
  options: EngineOptions,
): Generator<void, Preview> {
  const primaries: { of: ReadonlyMap<string, number> } = { of: new Map() };
  // The policy comes before any node, so that only to make it ready takes time.
  const engine = createEngine(ALLOW_ALL, {
    ...options,
    choose: (route, among) => {
      const primary = primaries.of.get(formatPrefix(route)) ?? -1;
      return among.includes(primary) ? primary : among[0];
    },
  });
  engine.adopt(yield* engine.prepare(policy));
  yield;
  for (const some of chunks(users)) {
    engine.update({ users: some });
    yield;
  }
  for (const some of chunks([...nodes.values()])) {
    engine.update({ nodes: some });
    yield;
  }
  const approved: PolicyNode[] = [];
  for (const some of chunks([...nodes.values()])) {
    const routers: PolicyNode[] = [];
    for (const node of some) {
      const routes = engine.autoApproved(node);
      const isRouter = routes.length + node.routes.length > 0;
      const given = isRouter ? withApproved(node, routes) : node;
      if (isRouter) routers.push(given);
      approved.push(given);
    }
    if (routers.length > 0) engine.update({ nodes: routers });
    yield;
  }
  primaries.of = electPrimaries(approved, options);
  yield;
  const peersFor = peersByClass(engine, nodes, primaries.of);
  const sizes = new Map<ClassKey, number>();
  for (const { id } of nodes.values()) {
    const key = engine.classOf(id);
    sizes.set(key, (sizes.get(key) ?? 0) + 1);
  }
  const seen = new Map<ClassKey, number>();
  const nodeOf = (name: string): PolicyNode | undefined => {
    const given = nodes.get(name);
    return given && engine.node(given.id);
  };
  const countPeers = (name: string): number => {
    const node = nodeOf(name);
    if (node === undefined) return 0;
    const key = engine.classOf(node.id);
    let count = seen.get(key);
    if (count === undefined) {
      count = 0;
      for (const each of engine.seenBy(key)) count += sizes.get(each) ?? 0;
      seen.set(key, count);
    }
    return count;
  };
  const tell = function* (name: string): Generator<void, PreviewedNode | undefined> {
    const node = nodeOf(name);
    if (node === undefined) return undefined;
    const { id } = node;
    const primary = node.routes.map(formatPrefix).filter((text) => primaries.of.get(text) === id);
    return {
      packetFilter: yield* engine.filterSteps(id),
      sshPolicy: compileSshInFull(policy, engine.resolver, node, options),
      peers: yield* peersFor(node),
      allowedIPs: [
        ...addressesOf(node, usesIpv4(engine, node)),
        ...node.routes.map(formatPrefix),
        ...exitRoutesOf(node).map(formatPrefix),
      ],
      ...(primary.length > 0 && { primaryRoutes: primary }),
      capMap: engine.attributes(id),
    };
  };
  return { node: tell, peersOf: countPeers };
}

/** @yields A few at a time. */
function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += AT_ONCE) yield all.slice(i, i + AT_ONCE);
}

/** Answers with the peers of a node. Nodes of a class with the same families of addresses are told the same. */
function peersByClass(
  engine: PolicyEngine,
  nodes: ReadonlyMap<string, PolicyNode>,
  primaryOf: ReadonlyMap<string, number>,
): (viewer: PolicyNode) => Generator<void, PreviewedNode['peers']> {
  const known = new Map<string, ReadonlyMap<number, readonly [string, PreviewedPeer]>>();
  return function* (viewer) {
    const { id } = viewer;
    const from = engine.classOf(id);
    const ipv4 = usesIpv4(engine, viewer);
    const key = `${ipv4} ${from}`;
    let seen = known.get(key);
    if (seen === undefined) {
      seen = yield* peersOf(engine, from, ipv4, nodes, primaryOf);
      // Each is as large as what a node is told.
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(key, seen);
    }
    yield;
    // Without a prototype it is a dictionary. Every node has other peers, and each such set of names
    // would else be a shape of its own for the engine: 30 times slower for a thousand nodes.
    const peers = Object.create(null) as Record<string, PreviewedPeer>;
    for (const [peer, [name, told]] of seen) if (peer !== id) peers[name] = told;
    return peers;
  };
}

/** Classes whose peers are kept, for nodes that come later. */
const MAX_KNOWN = 64;

/** All whom a class sees, by id, with their names. */
function* peersOf(
  engine: PolicyEngine,
  from: ClassKey,
  viewerUsesIpv4: boolean,
  nodes: ReadonlyMap<string, PolicyNode>,
  primaryOf: ReadonlyMap<string, number>,
): Generator<void, ReadonlyMap<number, readonly [string, PreviewedPeer]>> {
  const peers = new Map<number, readonly [string, PreviewedPeer]>();
  let looked = 0;
  for (const [name, { id }] of nodes) {
    if (++looked % AT_ONCE === 0) yield;
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
