/** Users and nodes of the live tailnet, as a policy looks at them. */
import type { NodeId } from '@malla/netmap/node';
import type { PostureAttributes } from '@malla/policy/tailnet';
import { policyNode, policyUser } from '../access/policy-node.ts';
import type { State } from '../core/state.ts';
import type { Members } from './judge.ts';

/** Members as they are whenever they are asked for. */
export function membersOf(
  state: State,
  posture: (id: NodeId) => PostureAttributes | undefined = () => undefined,
): Members {
  return {
    users: () => [...state.users()].map(policyUser),
    nodes: () => [...state.nodes()].map((node) => policyNode(node, posture(node.id))),
  };
}

/** How a node of the live tailnet is called. */
export function nameIn(state: State, id: NodeId): string {
  return state.node(id)?.name ?? `node ${id}`;
}
