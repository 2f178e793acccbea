/**
 * `autoApprovers`: whose routes and exit nodes need no approval.
 *
 * Source: Tailscale's policy file syntax §Auto approvers.
 */
import { formatPrefix, parsePrefixMasked } from '@malla/ip/prefix';
import type { AutoApprovers } from '../../policy.ts';
import { parseAliasPrefix } from '../words/alias.ts';
import { askFor } from '../reading/nearest.ts';
import { quote } from '../reading/problem.ts';
import { type FieldTable, readEntries, readFields, type Value } from '../reading/read.ts';
import { APPROVER, readAliases, type Scope } from '../words/selectors.ts';
import { UNSUPPORTED_FIELDS } from './unsupported.ts';

const FIELDS: FieldTable<'routes' | 'exitNode'> = {
  names: ['routes', 'exitNode'],
  refused: UNSUPPORTED_FIELDS.autoApprovers,
};

/** Reads `autoApprovers`. */
export function readAutoApprovers(scope: Scope, at: Value | undefined): AutoApprovers {
  if (at === undefined) return { routes: [], exitNode: [] };
  const { problems } = scope;
  const fields = readFields(problems, at, FIELDS);
  const routes = readEntries(problems, fields.routes).flatMap(({ name, place, value }) => {
    const approvers = readAliases(scope, APPROVER, value);
    const prefix = parsePrefixMasked(name.trim());
    if (prefix.ok) return [{ prefix: prefix.value, place, approvers }];
    const address = parseAliasPrefix(name.trim());
    const meant = address === undefined ? undefined : askFor(formatPrefix(address));
    problems.add(place, `invalid prefix: ${quote(name)}`, meant ?? 'such as 192.0.2.0/24');
    return [];
  });
  return { routes, exitNode: readAliases(scope, APPROVER, fields.exitNode) };
}
