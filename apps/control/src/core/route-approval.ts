/**
 * Routes that nodes offer and administrators approve, as canonical text. The two default routes are one
 * thing, the exit node: clients take a node for one only if it serves both.
 */
import { MallaError } from '@malla/base/error';
import {
  comparePrefixes,
  formatPrefix,
  parsePrefix,
  parsePrefixMasked,
  type Prefix,
} from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import { differenceOf, Differs } from '@malla/netmap/node-difference';
import { EXIT_ROUTES } from '@malla/netmap/tailcfg-node';
import { type Change, decide, type Decision } from './change.ts';
import type { State } from './state.ts';

/**
 * Reads routes a person wrote, in order; one default route means both. Throws MallaError
 * `node.routes-invalid`.
 */
export function parseRoutes(texts: readonly string[]): readonly string[] {
  const routes = new Map<string, Prefix>();
  for (const text of texts) {
    const prefix = routeOf(text);
    const canonical = formatPrefix(prefix);
    if (routes.has(canonical)) throw invalid(text, 'is given twice');
    routes.set(canonical, prefix);
  }
  if (EXIT_ROUTES.some((exit) => routes.has(exit))) {
    for (const exit of EXIT_ROUTES) routes.set(exit, routeOf(exit));
  }
  return sorted(routes.values());
}

/** What the client of a node offers, in order. */
export function announcedPrefixes(node: Node): readonly Prefix[] {
  return prefixesOf(node.hostinfo.RoutableIPs ?? []);
}

/** What is approved for a node, in order, offered or not. */
export function approvedPrefixes(node: Node): readonly Prefix[] {
  return prefixesOf(node.approvedRoutes);
}

/** What the client of a node offers, canonical and in order. */
export function availableRoutes(node: Node): readonly string[] {
  return announcedPrefixes(node).map(formatPrefix);
}

/**
 * Whether a policy is to be asked anew what it approves of a node's routes. What an administrator approves
 * or withdraws is no reason, or nothing could be withdrawn that a policy approves.
 */
export function mayBeApproved(before: Node | undefined, after: Node): boolean {
  if (before === undefined) return true;
  return (differenceOf(before, after) & (Differs.owner | Differs.announced)) !== 0;
}

/**
 * Adds to the approved routes of nodes what they offer and a policy approves by itself. Nothing is ever
 * taken away: what was approved once stays approved until somebody says otherwise. Answers with the nodes
 * that got more.
 */
export function approveAutomatically(
  state: State,
  ids: Iterable<NodeId>,
  approvedByPolicy: (node: Node) => readonly Prefix[],
): Decision<readonly Node[]> {
  const changes: Change[] = [];
  const answer: Node[] = [];
  for (const id of ids) {
    const before = state.node(id);
    if (before === undefined || (before.hostinfo.RoutableIPs ?? []).length === 0) continue;
    const approvedRoutes = withApproved(before, approvedByPolicy(before));
    if (approvedRoutes === before.approvedRoutes) continue;
    const after: Node = { ...before, approvedRoutes };
    changes.push({ table: 'node', id, before, after });
    answer.push(after);
  }
  return decide(changes, answer);
}

/**
 * What stays approved of a node that an administrator gives to another owner: all but what the policy approves
 * by itself for the old one and not for the new.
 */
export function approvedForAnother(
  node: Node,
  byPolicyBefore: readonly Prefix[],
  byPolicyAfter: readonly Prefix[],
): readonly string[] {
  const withdrawn = withBothExits(byPolicyBefore).difference(withBothExits(byPolicyAfter));
  const stays = node.approvedRoutes.filter((route) => !withdrawn.has(route));
  return stays.length === node.approvedRoutes.length ? node.approvedRoutes : stays;
}

/** The approved routes and what is added to them; the same array when that is nothing. */
function withApproved(node: Node, byPolicy: readonly Prefix[]): readonly string[] {
  const approved = new Set(node.approvedRoutes);
  const available = new Set(availableRoutes(node));
  const added = [...withBothExits(byPolicy)].filter(
    (route) => available.has(route) && !approved.has(route),
  );
  return added.length === 0
    ? node.approvedRoutes
    : sorted(prefixesOf([...node.approvedRoutes, ...added]));
}

/** An exit node for one family only is none. */
function withBothExits(prefixes: readonly Prefix[]): Set<string> {
  const texts = new Set(prefixes.map(formatPrefix));
  if (EXIT_ROUTES.some((exit) => texts.has(exit))) EXIT_ROUTES.forEach((exit) => texts.add(exit));
  return texts;
}

function prefixesOf(texts: readonly string[]): readonly Prefix[] {
  const prefixes: Prefix[] = [];
  for (const text of texts) {
    const prefix = parsePrefix(text);
    if (prefix.ok) prefixes.push(prefix.value);
  }
  return prefixes.toSorted(comparePrefixes);
}

function sorted(prefixes: Iterable<Prefix>): readonly string[] {
  return [...prefixes].toSorted(comparePrefixes).map(formatPrefix);
}

function invalid(route: string, why: string): MallaError {
  return new MallaError('node.routes-invalid', `route "${route}" ${why}`, { details: { route } });
}

function routeOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix.ok) return prefix.value;
  const masked = parsePrefixMasked(text);
  throw invalid(
    text,
    masked.ok ? `has host bits set: write ${formatPrefix(masked.value)}` : REASONS[prefix.error],
  );
}

const REASONS = {
  'not-an-address': 'is not a prefix like 10.0.0.0/24',
  zone: 'has a zone, which a route cannot have',
  bits: 'has no valid prefix length: a prefix is like 10.0.0.0/24',
  'host-bits': 'has host bits set',
} as const;
