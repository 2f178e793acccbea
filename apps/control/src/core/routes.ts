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
import type { Node } from '@malla/netmap/node';

export const EXIT_ROUTES: readonly string[] = ['0.0.0.0/0', '::/0'];

/** Reads routes a person wrote: sorted, without repetition. Throws MallaError `node.routes-invalid`. */
export function parseRoutes(texts: readonly string[]): readonly string[] {
  const routes = new Map<string, Prefix>();
  const add = (text: string): void => {
    const prefix = routeOf(text);
    routes.set(formatPrefix(prefix), prefix);
  };
  for (const text of texts) add(text);
  if (EXIT_ROUTES.some((exit) => routes.has(exit))) EXIT_ROUTES.forEach(add);
  return [...routes].toSorted(([, a], [, b]) => comparePrefixes(a, b)).map(([text]) => text);
}

/** What the client of a node offers, canonical; what is no prefix is left out. */
export function availableRoutes(node: Node): readonly string[] {
  const routes = new Map<string, Prefix>();
  for (const text of node.hostinfo.RoutableIPs ?? []) {
    const prefix = parsePrefix(text);
    if (prefix.ok) routes.set(formatPrefix(prefix.value), prefix.value);
  }
  return [...routes].toSorted(([, a], [, b]) => comparePrefixes(a, b)).map(([text]) => text);
}

function routeOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix.ok) return prefix.value;
  const masked = parsePrefixMasked(text);
  const hint = masked.ok
    ? `has host bits set: write ${formatPrefix(masked.value)}`
    : REASONS[prefix.error];
  throw new MallaError('node.routes-invalid', `route "${text}" ${hint}`, {
    details: { route: text },
  });
}

const REASONS = {
  'not-an-address': 'is not a prefix like 10.0.0.0/24',
  zone: 'has a zone, which a route cannot have',
  bits: 'has no valid prefix length: a prefix is like 10.0.0.0/24',
  'host-bits': 'has host bits set',
} as const;
