/**
 * Grants: what sources may do at destinations, as ports and as application capabilities.
 *
 * Source: Tailscale's grants syntax. Observed: the hosted service, April 2026.
 */
import type { Admission, Destination, Placed, Rule } from '../../policy.ts';
import { GRANTABLE, readCapabilities } from '../words/capabilities.ts';
import { askFor, didYouMean } from '../reading/nearest.ts';
import { quote } from '../reading/problem.ts';
import { parseIpCapability } from '../words/protocols.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readTexts,
  type Value,
} from '../reading/read.ts';
import { selfSourceFault } from './rules.ts';
import { DESTINATION, readAliases, readPostures, type Scope, SOURCE } from '../words/selectors.ts';

const FIELDS: FieldTable<'src' | 'dst' | 'ip' | 'app' | 'via' | 'srcPosture'> = {
  names: ['src', 'dst', 'ip', 'app', 'via', 'srcPosture'],
};

/** Reads `grants`. */
export function readGrants(scope: Scope, at: Value | undefined): readonly Rule[] {
  return readList(scope.problems, at).map((entry) => readGrant(scope, entry));
}

function readGrant(scope: Scope, entry: Value): Rule {
  const { problems } = scope;
  const place = placeOf(entry);
  const fields = readFields(problems, entry, FIELDS);
  const sources = readAliases(scope, SOURCE, fields.src);
  const app = readCapabilities(problems, fields.app, GRANTABLE);
  const ip = readTexts(problems, fields.ip);
  const admissions = ip.flatMap(({ text, value }): readonly Admission[] => {
    const admission = parseIpCapability(text);
    if (admission.ok) return [admission.value];
    problems.add(placeOf(value), admission.error.message, admission.error.hint);
    return [];
  });
  const destinations = readAliases(scope, DESTINATION, fields.dst).map(
    ({ value: alias, place: at }): Destination => ({ alias, place: at, admissions }),
  );
  if (ip.length === 0 && app === undefined) {
    const hint = 'write "ip": ["*"] for all traffic';
    problems.add(place, 'ip and app can not both be empty', hint);
  }
  checkDestinations(scope, destinations, app !== undefined);
  const self = selfSourceFault(sources, destinations, false);
  if (self !== undefined) problems.add(place, self.message, self.hint);
  const via = readVia(scope, fields.via);
  if (via.length > 0) refuseSteeredSelf(scope, destinations);
  const postures = readPostures(scope, fields.srcPosture);
  return { section: 'grants', place, sources, destinations, app, via, postures };
}

function checkDestinations(
  { problems }: Scope,
  destinations: readonly Destination[],
  hasApp: boolean,
): void {
  for (const { alias, place } of destinations) {
    if (alias.kind === 'prefix' && alias.prefix.bits === 0) {
      const text = alias.prefix.network.family === 4 ? '0.0.0.0/0' : '::/0';
      problems.add(
        place,
        `dst "${text}": to allow all IP addresses, use "*" or "autogroup:internet"`,
      );
    }
    if (hasApp && alias.kind === 'autogroup' && alias.name === 'internet') {
      const hint = 'capabilities are for nodes: give them in a grant of their own';
      problems.add(place, 'cannot use app grants with autogroup:internet', hint);
    }
  }
}

/** Otherwise the grant would give what its `via` says that it does not. */
function refuseSteeredSelf({ problems }: Scope, destinations: readonly Destination[]): void {
  for (const { alias, place } of destinations) {
    if (alias.kind !== 'autogroup' || alias.name !== 'self') continue;
    problems.add(
      place,
      'autogroup:self cannot be used with via: no router is on the way to a device',
      'give it in a grant of its own, without via',
    );
  }
}

function readVia({ problems, defined }: Scope, at: Value | undefined): readonly Placed<string>[] {
  return readTexts(problems, at).flatMap(({ text, value }) => {
    const place = placeOf(value);
    if (defined.tags.has(text)) return [{ value: text, place }];
    if (text.startsWith('tag:')) {
      const hint = (): string => didYouMean(text, defined.tags) ?? 'define it in "tagOwners"';
      problems.add(place, `tag ${quote(text)} not found`, hint);
    } else {
      const prefixed = `tag:${text}`;
      const meant = defined.tags.has(prefixed) ? askFor(prefixed) : undefined;
      problems.add(place, 'via can only be a tag', meant ?? 'give the routers a tag and name that');
    }
    return [];
  });
}
