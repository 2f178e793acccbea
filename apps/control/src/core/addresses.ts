/**
 * Which addresses a new node gets, and what nodes lack after the configured prefixes have changed.
 *
 * Sequential allocation goes on after the address given out last and comes back to freed ones only at
 * the end of the prefix, so that an address is not soon another device's. After a restart it goes on
 * after the newest node's. Random allocation starts anywhere. Both then take the first free address, so
 * the search is never longer than there are nodes, and for sequential allocation is one step as a rule.
 *
 * A policy can have pools of IPv4 addresses: for whom there is one, all its prefixes are one set to
 * choose from, and nobody else gets an address of it. A full pool refuses who it is for.
 */
import { cached } from '@malla/base/cached';
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { contains, formatPrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import type { UserId } from '@malla/netmap/user';
import { AddressSet } from './address-set.ts';
import { type Change, decide, type Decision } from './change.ts';
import type { Context, State } from './state.ts';

/** Whose a node is to be. */
export interface Owner {
  /** Absent: tagged. */
  readonly userId: UserId | undefined;
  readonly tags: readonly string[];
}

/** By whom devices are told apart, and to whose share they count: a user, or tags. */
export function ownerOf({ userId, tags }: Owner): string {
  return tags.length > 0 ? tags.toSorted().join(' ') : `user ${userId}`;
}

/** What the policy says of addresses (`ipPool`). */
export interface AddressPools {
  /** From where a node of this owner gets its IPv4 address; empty: from {@link AddressPlan.v4}. */
  poolFor(owner: Owner): readonly Prefix[];
  /** What is kept for the nodes that have a pool. */
  all(): readonly Prefix[];
}

/** From where and how nodes get addresses. A family without a prefix is off. */
export interface AddressPlan {
  readonly v4?: Prefix | undefined;
  readonly v6?: Prefix | undefined;
  readonly allocation: 'sequential' | 'random';
  /** Absent: there are none. */
  readonly pools?: AddressPools | undefined;
}

/** A node's addresses, canonical text; absent where the family is off. */
export interface Addresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

/** Chooses addresses for one new node. Throws MallaError `address.exhausted`. */
export function allocateAddresses(
  state: State,
  plan: AddressPlan,
  owner: Owner,
  random: RandomBytes,
): Addresses {
  const taken = (address: string): boolean => state.addressTaken(address);
  const give = (source: Source): string => {
    const start = startOf(source.set, plan, state.lastAddress(source.set), random);
    return formatAddress(firstFree(source, taken, start));
  };
  const { v4, v6 } = plan;
  return {
    ipv4: v4 && give(sourceOf4(v4, plan.pools, owner)),
    ipv6: v6 && give(wholeOf(v6)),
  };
}

/**
 * The IPv4 address of a node that gets another owner: the one it has, unless that is of a pool which is kept for
 * others. Throws MallaError `address.exhausted`.
 */
export function addressForAnother(
  state: State,
  plan: AddressPlan,
  { ipv4 }: Pick<Node, 'ipv4'>,
  owner: Owner,
  random: RandomBytes,
): string | undefined {
  const { v4, pools } = plan;
  const address = parseAddress(ipv4 ?? '');
  if (ipv4 === undefined || !address.ok || v4 === undefined || pools === undefined) return ipv4;
  const isOf = (pool: readonly Prefix[]): boolean =>
    pool.some((prefix) => contains(prefix, address.value));
  if (!isOf(pools.all()) || isOf(pools.poolFor(owner))) return ipv4;
  return allocateAddresses(state, { ...plan, v6: undefined }, owner, random).ipv4;
}

/**
 * Gives every node the families that the plan has and takes away those it has not; an address that a
 * node has stays, also outside the plan's prefix. Answers with a sentence for each address, as
 * headscale's `nodes backfillips` prints them. Throws MallaError `address.exhausted`.
 */
export function backfillAddresses(
  state: State,
  plan: AddressPlan,
  context: Context,
): Decision<readonly string[]> {
  const changes: Change[] = [];
  const sentences: string[] = [];
  const fill4 = filler('IPv4', plan.v4, (v4, node) => sourceOf4(v4, plan.pools, node));
  const fill6 = filler('IPv6', plan.v6, wholeOf);
  for (const node of state.nodes()) {
    const after = { ...node, ipv4: fill4(node, node.ipv4), ipv6: fill6(node, node.ipv6) };
    if (after.ipv4 === node.ipv4 && after.ipv6 === node.ipv6) continue;
    changes.push({ table: 'node', id: node.id, before: node, after });
  }
  return decide(changes, sentences);

  function filler(
    family: 'IPv4' | 'IPv6',
    prefix: Prefix | undefined,
    sourceFor: (prefix: Prefix, node: Node) => Source,
  ): (node: Node, has: string | undefined) => string | undefined {
    const given = new Set<string>();
    const taken = (address: string): boolean => given.has(address) || state.addressTaken(address);
    const lasts = new Map<string, Address>();
    return (node, has) => {
      if ((has === undefined) === (prefix === undefined)) return has;
      if (prefix === undefined) {
        sentences.push(`removing ${family} "${has}" from Node(${node.id}) "${node.hostname}"`);
        return undefined;
      }
      const source = sourceFor(prefix, node);
      const { set } = source;
      const last = lasts.get(set.key) ?? state.lastAddress(set);
      const next = firstFree(source, taken, startOf(set, plan, last, context.random));
      const text = formatAddress(next);
      lasts.set(set.key, next);
      given.add(text);
      sentences.push(`assigned ${family} "${text}" to Node(${node.id}) "${node.hostname}"`);
      return text;
    };
  }
}

/** Where an address is taken from, and what is said when there is none left. */
interface Source {
  readonly set: AddressSet;
  readonly prefixes: readonly Prefix[];
  /** For people, after "address in". */
  readonly name: string;
}

function sourceOf4(v4: Prefix, pools: AddressPools | undefined, owner: Owner): Source {
  const pool = pools?.poolFor(owner) ?? [];
  if (pool.length > 0) {
    const texts = pool.map(formatPrefix).join(', ');
    const set = new AddressSet(pool, v4);
    const name =
      set.size > 0n
        ? `the policy's pool ${texts}`
        : `the policy's pool ${texts}, as far as it lies in prefixes.v4, ${formatPrefix(v4)}`;
    return { set, prefixes: pool, name };
  }
  const kept = pools?.all() ?? [];
  if (kept.length === 0) return wholeOf(v4);
  const name = `${formatPrefix(v4)} outside the policy's pools`;
  return { set: new AddressSet([v4], v4, kept), prefixes: [v4], name };
}

/** By prefix: the same ones for every node that joins. */
const wholes = new WeakMap<Prefix, Source>();

function wholeOf(prefix: Prefix): Source {
  return cached(wholes, prefix, () => ({
    set: new AddressSet([prefix], prefix),
    prefixes: [prefix],
    name: formatPrefix(prefix),
  }));
}

/** Where the search begins, counted in the addresses of the set. */
function startOf(
  set: AddressSet,
  plan: AddressPlan,
  last: Address | undefined,
  random: RandomBytes,
): bigint {
  if (plan.allocation === 'random') return below(set.size, random);
  return last === undefined ? 0n : set.countUpTo(last);
}

/** The first free address from `start` on, past the end from the beginning again. */
function firstFree(
  { set, prefixes, name }: Source,
  taken: (address: string) => boolean,
  start: bigint,
): Address {
  for (let nth = 0n; nth < set.size; nth++) {
    const address = set.nth((start + nth) % set.size);
    if (!taken(formatAddress(address))) return address;
  }
  throw new MallaError(
    'address.exhausted',
    `no free IPv${set.family} address in ${name}: all ${set.size} are in use`,
    { details: { prefixes: prefixes.map(formatPrefix), usable: Number(set.size) } },
  );
}

/** A number below `limit`, uniform but for a bias under 2^-64. */
function below(limit: bigint, random: RandomBytes): bigint {
  if (limit === 0n) return 0n;
  let value = 0n;
  for (const byte of random(Math.ceil(limit.toString(16).length / 2) + 8)) {
    value = (value << 8n) | BigInt(byte);
  }
  return value % limit;
}
