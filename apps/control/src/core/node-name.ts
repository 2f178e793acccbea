/** The name that a node gets by what its client calls itself, and gives up where it must not have it. */
import type { Node, NodeId } from '@malla/netmap/node';
import { type Change, decide, type Decision } from './change.ts';
import { isReserved, labelFor, uniqueName } from './names.ts';
import type { State } from './state.ts';

/**
 * Whether a label is the name of a DNS record below the tailnet's domain. Clients would answer it with the
 * node's addresses too, some with these first (1.80, and later ones on Windows): whoever calls a device
 * like a record would get what is meant for the record's machine.
 */
export type IsRecord = (label: string) => boolean;

/** A name for a hostname that no other node and no record has. */
export function freeName(
  state: State,
  hostname: string,
  self: NodeId | undefined,
  isRecord: IsRecord,
): string {
  return uniqueName(labelFor(hostname), (name) => {
    const holder = state.nodeByName(name);
    return (holder !== undefined && holder.id !== self) || isRecord(name);
  });
}

/** A node that had a name which malla has not reserved always. */
export interface Renamed {
  readonly before: Node;
  readonly after: Node;
}

/** Gives nodes of reserved names others, whoever named them. */
export function giveUpReservedNames(
  state: State,
  isRecord: IsRecord,
): Decision<readonly Renamed[]> {
  const renamed: Renamed[] = [];
  for (const before of state.nodes()) {
    if (!isReserved(before.name)) continue;
    const name = freeName(state, before.name, before.id, isRecord);
    renamed.push({ before, after: { ...before, name } });
  }
  const changes = renamed.map((each): Change => ({ table: 'node', id: each.before.id, ...each }));
  return decide(changes, renamed);
}
