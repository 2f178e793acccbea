/** The name that a node gets by what its client calls itself, and gives up where it must not have it. */
import type { Node, NodeId } from '@malla/netmap/node';
import { type Change, decide, type Decision } from './change.ts';
import { isReserved, labelFor, uniqueName } from './names.ts';
import type { State } from './state.ts';

/** A name for a hostname that no other node has. */
export function freeName(state: State, hostname: string, self: NodeId | undefined): string {
  return uniqueName(labelFor(hostname), (name) => {
    const holder = state.nodeByName(name);
    return holder !== undefined && holder.id !== self;
  });
}

/** A node that had a name which malla has not reserved always. */
export interface Renamed {
  readonly before: Node;
  readonly after: Node;
}

/** Gives nodes of reserved names others, whoever named them. */
export function giveUpReservedNames(state: State): Decision<readonly Renamed[]> {
  const renamed: Renamed[] = [];
  for (const before of state.nodes()) {
    if (!isReserved(before.name)) continue;
    renamed.push({ before, after: { ...before, name: freeName(state, before.name, before.id) } });
  }
  const changes = renamed.map((each): Change => ({ table: 'node', id: each.before.id, ...each }));
  return decide(changes, renamed);
}
