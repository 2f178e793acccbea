/** What administrators do to nodes. Registration, and what nodes report themselves, are elsewhere. */
import { MallaError } from '@malla/base/error';
import type { Prefix } from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import { decide, type Decision } from './change.ts';
import type { IsRecord } from './node-name.ts';
import { checkName, MAX_LABEL_BYTES, type NameFault } from './names.ts';
import { approvedForAnother, parseRoutes } from './route-approval.ts';
import type { Context, State } from './state.ts';
import { checkTags, type TagPolicy } from './tags.ts';

/**
 * Gives a node a name that its client's hostname no longer changes; none that a DNS record has, which clients
 * would ask in its place. Throws MallaError `node.not-found`,
 * `node.name-invalid`, `node.name-taken`.
 */
export function renameNode(
  state: State,
  id: NodeId,
  name: string,
  isRecord: IsRecord = () => false,
): Decision<Node> {
  const before = knownNode(state, id);
  const checked = checkName(name);
  if (!checked.ok) {
    throw new MallaError('node.name-invalid', `node name ${NAME_PROBLEMS[checked.error]}`, {
      details: { name, reason: checked.error },
    });
  }
  const holder = state.nodeByName(name);
  if (holder !== undefined && holder.id !== id) {
    throw new MallaError('node.name-taken', `node name "${name}" is already in use`, {
      details: { name, node: holder.id },
    });
  }
  if (name !== before.name && isRecord(name)) {
    throw new MallaError('node.name-taken', `node name "${name}" is the name of a DNS record`, {
      details: { name },
    });
  }
  return replace(before, { ...before, name, nameIsFixed: true });
}

/**
 * Replaces the tags of a node. It loses its owner and no longer expires: a tagged node belongs to no
 * person who could log in again. A policy must define the tags; who owns them does not matter. Of its
 * approved routes those go that the policy approves by itself for what it was (`autoApproved`), and not for
 * what it is then. Throws MallaError `node.not-found`, `node.tags-invalid`.
 */
export function setTags(
  state: State,
  id: NodeId,
  wanted: readonly string[],
  policy: TagPolicy,
  autoApproved: (node: Node) => readonly Prefix[] = () => [],
): Decision<Node> {
  const before = knownNode(state, id);
  if (wanted.length === 0) {
    throw new MallaError(
      'node.tags-invalid',
      'cannot remove all tags from a node - tagged nodes must have at least one tag',
    );
  }
  const tags = checkTags(wanted, policy);
  const after = { ...before, tags, userId: undefined, expiry: undefined };
  const approvedRoutes = approvedForAnother(before, autoApproved(before), autoApproved(after));
  return replace(before, { ...after, approvedRoutes });
}

/** Sets when a node must log in again: at a time (Unix ms), now, or never. Throws `node.not-found`. */
export function setExpiry(
  state: State,
  id: NodeId,
  expiry: number | 'now' | 'never',
  context: Context,
): Decision<Node> {
  const before = knownNode(state, id);
  const at = { now: context.now, never: undefined };
  return replace(before, { ...before, expiry: typeof expiry === 'number' ? expiry : at[expiry] });
}

/** Removes a node; its device must register anew. Throws `node.not-found`. */
export function deleteNode(state: State, id: NodeId): Decision<Node> {
  const before = knownNode(state, id);
  return decide([{ table: 'node', id, before, after: undefined }], before);
}

/** Replaces the approved routes. Throws MallaError `node.not-found`, `node.routes-invalid`. */
export function setApprovedRoutes(
  state: State,
  id: NodeId,
  routes: readonly string[],
): Decision<Node> {
  const before = knownNode(state, id);
  return replace(before, { ...before, approvedRoutes: parseRoutes(routes) });
}

/** A node by id. Throws `node.not-found`. */
export function knownNode(state: State, id: NodeId): Node {
  const node = state.node(id);
  if (node === undefined)
    throw new MallaError(
      'node.not-found',
      `node not found: there is none with the id ${id} (malla nodes list)`,
      {
        details: { id },
      },
    );
  return node;
}

const NAME_PROBLEMS: Record<NameFault, string> = {
  empty: 'must not be empty',
  'too-long': `must have at most ${MAX_LABEL_BYTES} characters`,
  'upper-case': 'must be lower case',
  'bad-character': 'must have only letters a to z, digits and hyphens',
  'bad-edge': 'must not begin or end with a hyphen',
  punycode: 'must not begin with xn--, which programs show as other letters',
  reserved: 'must not be one that programs look up to find their own machine or a proxy',
};

function replace(before: Node, after: Node): Decision<Node> {
  return decide([{ table: 'node', id: before.id, before, after }], after);
}
