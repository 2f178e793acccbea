/**
 * A tailnet as a person writes it down to ask what a policy would do there: users and nodes by name, with
 * addresses and prefixes as text.
 */
import { type Address, parseAddress } from '@malla/ip/address';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { fail, ok, type Result } from '@malla/base/result';
import { isExitRoute } from '../engine/internet.ts';
import type { PolicyNode, PolicyUser } from '../tailnet.ts';

/** A user of {@link Topology}. */
export interface TopologyUser {
  readonly id: number;
  readonly name: string;
  readonly email?: string | undefined;
  readonly role?: PolicyUser['role'];
}

/** A node of {@link Topology}, in the words of the REST API's input. */
export interface TopologyNode {
  /** By rising id, the node that serves a subnet with others is primary; absent: in the order given. */
  readonly id?: number | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** The name or the address of its owner. Absent for a tagged node. */
  readonly user?: string | undefined;
  /** What it announces. */
  readonly routable_ips?: readonly string[] | null | undefined;
  /** What is approved of it; only what is announced as well is served. */
  readonly approved_routes?: readonly string[] | null | undefined;
  /** Attributes that posture conditions ask for. */
  readonly posture?: { readonly [attribute: string]: string | number | boolean } | undefined;
}

export interface Topology {
  readonly users: readonly TopologyUser[];
  readonly nodes: { readonly [name: string]: TopologyNode };
}

/** A tailnet as the engine takes it. */
export interface NamedTailnet {
  readonly users: readonly PolicyUser[];
  /** By name, in the order given. */
  readonly nodes: ReadonlyMap<string, PolicyNode>;
}

/** Reads a topology. The fault says what is wrong with which node. */
export function readTopology(topology: Topology): Result<NamedTailnet, string> {
  const users = topology.users.map(
    ({ id, name, email, role }): PolicyUser => ({
      id,
      name,
      email: email ?? '',
      providerId: '',
      role,
    }),
  );
  const nodes = new Map<string, PolicyNode>();
  const ids = new Set<number>();
  for (const [name, written] of Object.entries(topology.nodes)) {
    const node = readNode(written, nodes.size + 1, users);
    if (!node.ok) return fail(`node ${name}: ${node.error}`);
    if (ids.has(node.value.id)) return fail(`node ${name}: id ${node.value.id} is used twice`);
    ids.add(node.value.id);
    nodes.set(name, node.value);
  }
  return ok({ users, nodes });
}

function readNode(
  written: TopologyNode,
  place: number,
  users: readonly PolicyUser[],
): Result<PolicyNode, string> {
  const tags = (written.tags ?? []).toSorted();
  const owner = users.find(({ name, email }) => name === written.user || email === written.user);
  if (tags.length === 0 && owner === undefined) {
    const who = written.user ?? '';
    return fail(who === '' ? 'it has neither tags nor a user' : `there is no user ${who}`);
  }
  const addresses: Address[] = [];
  for (const text of [written.ipv4, written.ipv6]) {
    if (text === undefined || text === '') continue;
    const address = parseAddress(text);
    if (!address.ok) return fail(`${text} is not an address`);
    addresses.push(address.value);
  }
  const announced = readPrefixes(written.routable_ips ?? []);
  if (!announced.ok) return announced;
  const approved = readPrefixes(written.approved_routes ?? []);
  if (!approved.ok) return approved;
  const granted = new Set(approved.value.map(formatPrefix));
  const served = announced.value.filter((prefix) => granted.has(formatPrefix(prefix)));
  return ok({
    id: written.id ?? place,
    userId: tags.length === 0 ? owner?.id : undefined,
    tags,
    addresses,
    announced: announced.value,
    routes: served.filter((prefix) => !isExitRoute(prefix)),
    exitNode: served.some(isExitRoute),
    posture: new Map(Object.entries(written.posture ?? {})),
  });
}

function readPrefixes(texts: readonly string[]): Result<readonly Prefix[], string> {
  const prefixes: Prefix[] = [];
  for (const text of texts) {
    const prefix = parsePrefix(text);
    if (!prefix.ok) return fail(`${text} is not a prefix`);
    prefixes.push(prefix.value);
  }
  return ok(prefixes);
}
