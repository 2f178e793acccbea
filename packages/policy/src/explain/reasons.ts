/**
 * For want of what no rule admits a flow: the rules that come near, nearest first.
 */
import type { Alias, Place, Rule } from '../policy.ts';
import type { End, NoEnd } from './ends.ts';
import type { Reason, ReasonKind } from './explanation.ts';
import type {
  Candidate,
  DestinationSide,
  RuleTable,
  Service,
  SourceSide,
  Through,
} from './rule-table.ts';
import { formatAlias, formatDestination, formatPlace, formatService, refer } from './words.ts';

/** More tells nobody anything. */
const MAX_REASONS = 5;
/** Of rules that have only one of the sides. */
const MAX_HALVES = 2;
const MAX_NAMES = 4;

/** How far a rule got: what one is told first. */
const FITS: readonly Candidate['fit'][] = ['port', 'posture', 'via', 'self'];

/** The rules that come nearest to admitting a flow that none admits; empty when there is none to tell of. */
export function nearestRules(
  table: RuleTable,
  source: SourceSide,
  destination: DestinationSide,
  service: Service,
  through: Through,
): readonly Reason[] {
  const both = [...table.candidates(source, destination, service, through)];
  const found = both
    .toSorted((a, b) => FITS.indexOf(a.fit) - FITS.indexOf(b.fit))
    .slice(0, MAX_REASONS)
    .map((candidate) => missing(candidate, source.end, service));
  if (found.length === MAX_REASONS) return found;

  const seen = new Set(both.map(({ rule }) => rule));
  const withSource: Reason[] = [];
  for (const [rule, [word]] of source.words) {
    if (withSource.length === MAX_HALVES) break;
    if (word !== undefined && !seen.has(rule)) withSource.push(otherDestination(rule, word.value));
  }
  const withDestination: Reason[] = [];
  for (const [rule, meant] of destination.words) {
    if (withDestination.length === MAX_HALVES) break;
    if (source.words.has(rule) || !meant.some((each) => table.admitsAt(each, service))) continue;
    withDestination.push(otherSource(rule, source.end));
  }
  return [...found, ...withDestination, ...withSource].slice(0, MAX_REASONS);
}

/** A reason that comes from a rule, or from none. */
export function because(
  kind: ReasonKind,
  rule: { readonly place: Place } | undefined,
  text: string,
): Reason {
  return { kind, rule: rule === undefined ? null : refer(rule.place), text };
}

/** Why a side is nothing that a question could be about. */
export function noEnd({ unknown, text }: NoEnd, kind: ReasonKind): Reason {
  return because(unknown ? kind : 'nobody', undefined, text);
}

/** A list of names that stays readable. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

function missing(
  { rule, fit, source, destination }: Candidate,
  end: End,
  service: Service,
): Reason {
  const place = formatPlace(rule.place);
  const pair = `${formatAlias(source.value)} to ${formatAlias(destination.alias)}`;
  switch (fit) {
    case 'posture':
      return because(
        'posture',
        rule,
        `${place} admits ${pair}, but ${end.name} meets none of its postures (${list(rule.postures.map(({ value }) => value))})`,
      );
    case 'via':
      return because(
        'via',
        rule,
        rule.via.length === 0
          ? `${place} admits ${pair}, but only through an exit node`
          : `${place} admits ${pair}, but only through routers with ${list(rule.via.map(({ value }) => value))}`,
      );
    case 'self':
      return because(
        'self',
        rule,
        end.node?.tags.length === 0
          ? `${place} has autogroup:self, but the two are not devices of one user`
          : `${place} has autogroup:self, but ${end.name} is a tagged device, which belongs to no user`,
      );
    case 'port':
    case 'admits': {
      const [protocol = 0] = service.protocols;
      return because(
        'port',
        rule,
        `${place} has ${formatAlias(source.value)} to ${formatDestination(destination)}, but not ${formatService(protocol, service.port)}`,
      );
    }
  }
}

function otherDestination(rule: Rule, word: Alias): Reason {
  const names = list(rule.destinations.map(({ alias }) => formatAlias(alias)));
  return because(
    'destination',
    rule,
    `${formatPlace(rule.place)} has ${formatAlias(word)} as a source, but its destination is ${names}`,
  );
}

function otherSource(rule: Rule, { node, name }: End): Reason {
  const place = formatPlace(rule.place);
  const names = list(rule.sources.map(({ value }) => formatAlias(value)));
  if (
    node !== undefined &&
    node.tags.length > 0 &&
    rule.sources.every(({ value }) => meansUsers(value))
  ) {
    const text = `${place} is for users (${names}), but ${name} is a tagged device (${list(node.tags)}), which belongs to none`;
    return because('tagged', rule, text);
  }
  return because('source', rule, `${place} has the destination, but its source is ${names}`);
}

function meansUsers(alias: Alias): boolean {
  if (alias.kind === 'autogroup') return alias.name !== 'tagged' && alias.name !== 'danger-all';
  return alias.kind === 'user' || alias.kind === 'domain' || alias.kind === 'group';
}
