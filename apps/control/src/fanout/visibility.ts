/**
 * Who sees whom, by class and not by node: nodes of one class see the same peers, so what a class is
 * sent is encoded once. This is the place where policy will plug in: it compiles to rules between
 * classes of nodes; until then one of two fixed rules holds.
 */
import type { Node } from '@malla/netmap/node';

/** Name of a class of nodes. */
export type ClassKey = string;

export interface Visibility {
  /** The class a node belongs to, as a viewer and as one that is seen. */
  classOf(node: Node): ClassKey;
  /** Whether nodes of one class see those of another. Symmetric. */
  sees(viewer: ClassKey, seen: ClassKey): boolean;
}

/** Devices of one user see each other and nobody else's; tagged devices are a network of their own. */
export const sameUser: Visibility = {
  classOf: (node) => (node.userId === undefined ? 'tagged' : `user ${node.userId}`),
  sees: (viewer, seen) => viewer === seen,
};

/** Everybody sees everybody: what headscale does without a policy. */
export const allowAll: Visibility = {
  classOf: () => 'all',
  sees: () => true,
};
