/** Users and nodes of the live tailnet, as a policy looks at them. */
import type { NodeId } from '@malla/netmap/node';
import type { PostureAttributes } from '@malla/policy/subjects';
import { policyNode, policyUser } from '../access/policy-node.ts';
import type { State } from '../core/state.ts';
import type { Members } from './engine-for.ts';

/** Members as they are when they are asked for. */
export function membersOf(
  state: State,
  posture: (id: NodeId) => PostureAttributes | undefined = () => undefined,
): Members {
  return {
    users: () => [...state.users()].map(policyUser),
    *nodes() {
      // Whoever takes them in turns is to have those of the beginning.
      const nodes = [...state.nodes()];
      for (const node of nodes) yield policyNode(node, posture(node.id));
    },
  };
}

/** How a node of the live tailnet is called. */
export function nameIn(state: State, id: NodeId): string {
  return state.node(id)?.name ?? `node ${id}`;
}
