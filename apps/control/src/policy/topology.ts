/**
 * A tailnet that somebody describes, to preview a policy for: users, and nodes by name. The API's schema
 * has checked each value; here they become what an engine takes.
 */
import { MallaError } from '@malla/base/error';
import { formatAddress, parseAddress } from '@malla/ip/address';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';

/** A tailnet whose nodes have names. */
export interface NamedTailnet {
  readonly users: readonly PolicyUser[];
  readonly nodes: ReadonlyMap<string, PolicyNode>;
}

/** A user, as somebody describes one. */
export interface TopologyUser {
  /** 0: not known. */
  readonly id: number;
  readonly name: string;
  readonly email?: string | undefined;
  /** Undefined: a member. */
  readonly role?: PolicyUser['role'];
}

/** A node likewise. */
export interface TopologyNode {
  readonly id?: number | undefined;
  /** The name of its owner. */
  readonly user?: string | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** The routes that it announces. */
  readonly routable_ips?: readonly string[] | null | undefined;
  readonly approved_routes?: readonly string[] | null | undefined;
  readonly posture?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** As the API takes it. */
export interface Topology {
  readonly users: readonly TopologyUser[];
  readonly nodes: Readonly<Record<string, TopologyNode>>;
}

/** Faults that one refusal names. */
const MAX_FAULTS = 20;

/**
 * Reads it. Nodes without an id count from 1 in the order given, users without one take those that are free;
 * what was approved and is not announced is not served. Throws MallaError `policy.topology-invalid` with all that is wrong.
 */
export function readTopology(topology: Topology): NamedTailnet {
  const faults: string[] = [];
  const users = readUsers(topology.users);
  const owners = new Map<string, PolicyUser>();
  for (const user of users) {
    for (const text of [user.name, user.email]) if (!owners.has(text)) owners.set(text, user);
  }
  const nodes = new Map<string, PolicyNode>();
  const ids = new Set<number>();
  const held = new Set<string>();
  for (const [name, written] of Object.entries(topology.nodes)) {
    const node = readNode(written, nodes.size + 1, owners, (fault) =>
      faults.push(`nodes.${name}: ${fault}`),
    );
    if (ids.has(node.id)) faults.push(`nodes.${name}: the id ${node.id} is there twice`);
    ids.add(node.id);
    for (const address of node.addresses.map(formatAddress)) {
      if (held.has(address)) faults.push(`nodes.${name}: the address ${address} is there twice`);
      held.add(address);
    }
    nodes.set(name, node);
  }
  if (faults.length === 0) return { users, nodes };
  const more = faults.length - MAX_FAULTS;
  const shown = [...faults.slice(0, MAX_FAULTS), ...(more > 0 ? [`and ${more} more`] : [])];
  throw new MallaError('policy.topology-invalid', shown.join('; '));
}

function readUsers(written: readonly TopologyUser[]): readonly PolicyUser[] {
  const taken = new Set(written.map(({ id }) => id));
  let free = 1;
  const next = (): number => {
    while (taken.has(free)) free++;
    return free++;
  };
  return written.map(({ id, name, email = '', role }) => ({
    id: id === 0 ? next() : id,
    name,
    email,
    providerId: '',
    role,
  }));
}

function readNode(
  written: TopologyNode,
  place: number,
  owners: ReadonlyMap<string, PolicyUser>,
  fault: (text: string) => void,
): PolicyNode {
  const { id = place, user = '', ipv4, ipv6, posture = {} } = written;
  const tags = (written.tags ?? []).toSorted();
  const owner = owners.get(user);
  if (tags.length === 0 && owner === undefined) fault(`there is no user "${user}" in users`);
  const prefixes = (texts: readonly string[] | null | undefined): readonly Prefix[] =>
    (texts ?? []).flatMap((text) => {
      const parsed = parsePrefix(text);
      if (parsed.ok) return [parsed.value];
      fault(`${text} is not the prefix of a network`);
      return [];
    });
  const announced = prefixes(written.routable_ips);
  const approved = new Set(prefixes(written.approved_routes).map(formatPrefix));
  const served = announced.filter((prefix) => approved.has(formatPrefix(prefix)));
  return {
    id,
    userId: tags.length === 0 ? owner?.id : undefined,
    tags,
    addresses: [ipv4, ipv6].flatMap((text = '') => {
      const parsed = parseAddress(text);
      return parsed.ok ? [parsed.value] : [];
    }),
    announced,
    routes: served.filter(({ bits }) => bits > 0),
    exitNode: served.some(({ bits }) => bits === 0),
    posture: new Map(Object.entries(posture)),
  };
}
