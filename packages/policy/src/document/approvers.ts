/**
 * `autoApprovers`: whose routes and exit nodes need no approval.
 *
 * Source: Tailscale's policy file syntax §Auto approvers.
 */
import { parsePrefixMasked } from '@malla/ip/prefix';
import type { AutoApprovers } from '../policy.ts';
import { quote } from './problem.ts';
import { type FieldTable, readEntries, readFields, type Value } from './read.ts';
import { OWNER, readAliases, type Scope } from './selectors.ts';

const FIELDS: FieldTable<'routes' | 'exitNode'> = {
  names: ['routes', 'exitNode'],
  refused: new Map([
    [
      'services',
      {
        why: 'this server has no services',
        instead: 'name the tag of the devices that offer it in the rules',
      },
    ],
  ]),
};

/** Reads `autoApprovers`. */
export function readAutoApprovers(scope: Scope, at: Value | undefined): AutoApprovers {
  if (at === undefined) return { routes: [], exitNode: [] };
  const { problems } = scope;
  const fields = readFields(problems, at, FIELDS);
  const routes = readEntries(problems, fields.routes).flatMap(({ name, place, value }) => {
    const approvers = readAliases(scope, OWNER, value);
    const prefix = parsePrefixMasked(name.trim());
    if (prefix.ok) return [{ prefix: prefix.value, place, approvers }];
    problems.add(place, `invalid prefix: ${quote(name)}`, 'such as 192.0.2.0/24');
    return [];
  });
  return { routes, exitNode: readAliases(scope, OWNER, fields.exitNode) };
}
