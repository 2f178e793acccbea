/**
 * What differs between two versions of a node. Everything that a changed row concerns asks for it, so it is
 * computed once for each change.
 */
import type { Node } from './node.ts';

/** Bits of a difference. */
export const Differs = {
  /** Machine or node key. */
  key: 1 << 0,
  discoKey: 1 << 1,
  /** Whose it is: a user's, or that of tags. */
  owner: 1 << 2,
  hostname: 1 << 3,
  name: 1 << 4,
  addresses: 1 << 5,
  /** What the client says of its device, the routes that it announces apart. Bits of it may be of no interest. */
  hostinfo: 1 << 6,
  /** Routes that it announces. */
  announced: 1 << 7,
  approvedRoutes: 1 << 8,
  endpoints: 1 << 9,
  homeDerp: 1 << 10,
  capVersion: 1 << 11,
  expiry: 1 << 12,
} as const;

interface Computed {
  readonly before: Node;
  readonly bits: number;
}

/** By the version after: rows are values that are never changed. */
const computed = new WeakMap<Node, Computed>();

/** The {@link Differs} of two versions, as bits. Lists are compared by what they hold, a Hostinfo by identity. */
export function differenceOf(before: Node, after: Node): number {
  if (before === after) return 0;
  const known = computed.get(after);
  if (known?.before === before) return known.bits;
  const bits = compare(before, after);
  computed.set(after, { before, bits });
  return bits;
}

function compare(a: Node, b: Node): number {
  const hostinfo = a.hostinfo !== b.hostinfo;
  const { RoutableIPs: announcedBefore = [] } = a.hostinfo;
  const { RoutableIPs: announcedAfter = [] } = b.hostinfo;
  return (
    bit(Differs.key, a.nodeKey !== b.nodeKey || a.machineKey !== b.machineKey) |
    bit(Differs.discoKey, a.discoKey !== b.discoKey) |
    bit(Differs.owner, a.userId !== b.userId || !isSame(a.tags, b.tags)) |
    bit(Differs.hostname, a.hostname !== b.hostname) |
    bit(Differs.name, a.name !== b.name) |
    bit(Differs.addresses, a.ipv4 !== b.ipv4 || a.ipv6 !== b.ipv6) |
    bit(Differs.hostinfo, hostinfo) |
    bit(Differs.announced, hostinfo && !isSame(announcedBefore, announcedAfter)) |
    bit(Differs.approvedRoutes, !isSame(a.approvedRoutes, b.approvedRoutes)) |
    bit(Differs.endpoints, !isSame(a.endpoints, b.endpoints)) |
    bit(Differs.homeDerp, a.homeDerp !== b.homeDerp) |
    bit(Differs.capVersion, a.capVersion !== b.capVersion) |
    bit(Differs.expiry, a.expiry !== b.expiry)
  );
}

function bit(mask: number, differs: boolean): number {
  return differs ? mask : 0;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, i) => text === b[i]));
}
