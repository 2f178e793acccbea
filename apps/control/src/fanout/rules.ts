/**
 * Who sees whom and what, by class and not by node: nodes of one class see the same peers and have the
 * same filter, so what a class is sent is encoded once. A policy gives such rules; without one, one of
 * the two fixed ones here holds.
 */
import type { Node, NodeId } from '@malla/netmap/node';

/** Name of a class of nodes. */
export type ClassKey = string;

/** The JSON of a packet filter's rules by the name of the part. */
export type FilterTexts = Pick<ReadonlyMap<string, string>, 'keys' | 'get'>;

export interface Rules {
  /** The class a node belongs to, as a viewer and as one that is seen. */
  classOf(node: Pick<Node, 'id' | 'userId'>): ClassKey;
  /** The classes whose nodes those of a class see, and that see it: symmetric. Names of classes without nodes may be among them. */
  seenBy(viewer: ClassKey): Iterable<ClassKey>;
  /** Which of the prefixes that a router serves nodes of a class may use, in the order given. */
  visibleRoutes(viewer: ClassKey, router: NodeId, served: readonly string[]): readonly string[];
  /** Whether nodes of a class are told IPv4 addresses of others that have one of IPv6 as well. */
  tellsIpv4(viewer: ClassKey): boolean;
  /** The packet filter of a class, good until the rules change. */
  filter(of: ClassKey): FilterTexts;
  /** The JSON of the SSH policy of a class. */
  ssh(of: ClassKey): string;
}

/**
 * Lets everything in: whom a node hears from at all is decided by who its peers are.
 */
const ALLOW_PEERS: ReadonlyMap<string, string> = new Map([
  ['base', '[{"SrcIPs":["*"],"DstPorts":[{"IP":"*","Ports":{"First":0,"Last":65535}}]}]'],
]);
const NO_SSH = '{"rules":[]}';

const withoutPolicy: Pick<Rules, 'visibleRoutes' | 'tellsIpv4' | 'filter' | 'ssh'> = {
  visibleRoutes: (_viewer, _router, served) => served,
  tellsIpv4: () => true,
  filter: () => ALLOW_PEERS,
  ssh: () => NO_SSH,
};

/** Devices of one user see each other and nobody else's; tagged devices are a network of their own. */
export const sameUser: Rules = {
  ...withoutPolicy,
  classOf: (node) => `same-user:${node.userId ?? 'tagged'}`,
  seenBy: (viewer) => [viewer],
};

/** Everybody sees everybody: what headscale does without a policy. */
export const allowAll: Rules = {
  ...withoutPolicy,
  classOf: () => 'allow-all:',
  seenBy: (viewer) => [viewer],
};
