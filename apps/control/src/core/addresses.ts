/**
 * Which addresses a new node gets, and what nodes lack after the configured prefixes have changed.
 *
 * Sequential allocation goes on after the address given out last and comes back to freed ones only at
 * the end of the prefix, so that an address is not soon another device's. After a restart it goes on
 * after the newest node's. Random allocation starts anywhere. Both then take the first free address, so
 * the search is never longer than there are nodes, and for sequential allocation is one step as a rule.
 *
 * Never given out: the first and last address of a prefix of more than two, and what clients reserve.
 */
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { formatPrefix, lastAddress, overlaps, type Prefix, prefixSize } from '@malla/ip/prefix';
import { RESERVED } from '@malla/ip/special';
import type { Node } from '@malla/netmap/node';
import { type Change, decide, type Decision } from './change.ts';
import type { Context, State } from './state.ts';

/** From where and how nodes get addresses. A family without a prefix is off. */
export interface AddressPlan {
  readonly v4?: Prefix | undefined;
  readonly v6?: Prefix | undefined;
  readonly allocation: 'sequential' | 'random';
}

/** A node's addresses, canonical text; absent where the family is off. */
export interface Addresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

/** Chooses addresses for one new node. Throws MallaError `address.exhausted`. */
export function allocateAddresses(state: State, plan: AddressPlan, random: RandomBytes): Addresses {
  const taken = (address: string): boolean => state.addressTaken(address);
  const give = (prefix: Prefix | undefined, last: string | undefined): string | undefined =>
    prefix && firstFree(prefix, taken, startOf(prefix, plan, last, random));
  return {
    ipv4: give(plan.v4, state.lastAddress('ipv4')),
    ipv6: give(plan.v6, state.lastAddress('ipv6')),
  };
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
  const fill4 = filler('IPv4', plan.v4, state.lastAddress('ipv4'));
  const fill6 = filler('IPv6', plan.v6, state.lastAddress('ipv6'));
  for (const node of state.nodes()) {
    const after = { ...node, ipv4: fill4(node, node.ipv4), ipv6: fill6(node, node.ipv6) };
    if (after.ipv4 === node.ipv4 && after.ipv6 === node.ipv6) continue;
    changes.push({ table: 'node', id: node.id, before: node, after });
  }
  return decide(changes, sentences);

  function filler(
    family: 'IPv4' | 'IPv6',
    prefix: Prefix | undefined,
    lastGiven: string | undefined,
  ): (node: Node, has: string | undefined) => string | undefined {
    const given = new Set<string>();
    const taken = (address: string): boolean => given.has(address) || state.addressTaken(address);
    let last = lastGiven;
    return (node, has) => {
      if ((has === undefined) === (prefix === undefined)) return has;
      if (prefix === undefined) {
        sentences.push(`removing ${family} "${has}" from Node(${node.id}) "${node.hostname}"`);
        return undefined;
      }
      last = firstFree(prefix, taken, startOf(prefix, plan, last, context.random));
      given.add(last);
      sentences.push(`assigned ${family} "${last}" to Node(${node.id}) "${node.hostname}"`);
      return last;
    };
  }
}

/** A run of addresses that nodes may have, both ends included. */
interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

/** Where the search begins, counted in usable addresses. */
function startOf(
  prefix: Prefix,
  plan: AddressPlan,
  last: string | undefined,
  random: RandomBytes,
): bigint {
  const ranges = usable(prefix);
  if (plan.allocation === 'random') return below(total(ranges), random);
  const address = last === undefined ? undefined : parseAddress(last);
  if (address?.ok !== true || address.value.family !== prefix.network.family) return 0n;
  return countUpTo(ranges, address.value.value);
}

/** The first free address from `start` on, past the end from the beginning again. */
function firstFree(prefix: Prefix, taken: (address: string) => boolean, start: bigint): string {
  const ranges = usable(prefix);
  const count = total(ranges);
  const { family } = prefix.network;
  for (let nth = 0n; nth < count; nth++) {
    const address = formatAddress({ family, value: nthOf(ranges, (start + nth) % count) });
    if (!taken(address)) return address;
  }
  throw new MallaError(
    'address.exhausted',
    `no free IPv${family} address in ${formatPrefix(prefix)}: all ${count} are in use`,
    { details: { prefix: formatPrefix(prefix), usable: Number(count) } },
  );
}

/** What nodes may have of a prefix, in order. */
function usable(prefix: Prefix): readonly Range[] {
  const edge = prefixSize(prefix) > 2n ? 1n : 0n;
  const ranges: Range[] = [];
  const last: Address = lastAddress(prefix);
  let from = prefix.network.value + edge;
  for (const reserved of RESERVED) {
    if (!overlaps(prefix, reserved)) continue;
    ranges.push({ from, to: reserved.network.value - 1n });
    from = lastAddress(reserved).value + 1n;
  }
  ranges.push({ from, to: last.value - edge });
  return ranges.filter((range) => range.from <= range.to);
}

function total(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, range) => sum + range.to - range.from + 1n, 0n);
}

/** How many usable addresses are not above `value`. */
function countUpTo(ranges: readonly Range[], value: bigint): bigint {
  return total(
    ranges
      .filter((range) => range.from <= value)
      .map((range) => (range.to > value ? { from: range.from, to: value } : range)),
  );
}

function nthOf(ranges: readonly Range[], nth: bigint): bigint {
  let rest = nth;
  for (const range of ranges) {
    const size = range.to - range.from + 1n;
    if (rest < size) return range.from + rest;
    rest -= size;
  }
  throw new RangeError(`no usable address number ${nth}`);
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
