/**
 * SSH rules: who may log in where, as which users.
 *
 * Source: Tailscale's policy file syntax §Tailscale SSH. Observed: the hosted service, May 2026.
 */
import { type Alias, DEFAULT_CHECK_PERIOD_MS, type Placed, type SshRule } from '../../policy.ts';
import type { Fault } from '../words/alias.ts';
import { formatGoDuration, parseGoDuration } from '../words/go-duration.ts';
import { quote } from '../reading/problem.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readText,
  readTexts,
  type Value,
} from '../reading/read.ts';
import {
  readAliases,
  readPostures,
  type Scope,
  SSH_DESTINATION,
  SSH_SOURCE,
} from '../words/selectors.ts';
import { UNSUPPORTED_FIELDS } from './unsupported.ts';

/** A week. */
export const MAX_CHECK_PERIOD_MS = 168 * 3_600_000;

type FieldName = 'action' | 'src' | 'dst' | 'users' | 'checkPeriod' | 'acceptEnv' | 'srcPosture';

const FIELDS: FieldTable<FieldName> = {
  names: ['action', 'src', 'dst', 'users', 'checkPeriod', 'acceptEnv', 'srcPosture'],
  refused: UNSUPPORTED_FIELDS.ssh,
};

/** Reads `ssh`. */
export function readSshRules(scope: Scope, at: Value | undefined): readonly SshRule[] {
  return readList(scope.problems, at).map((entry) => readSshRule(scope, entry));
}

function readSshRule(scope: Scope, entry: Value): SshRule {
  const { problems } = scope;
  const place = placeOf(entry);
  const fields = readFields(problems, entry, FIELDS);
  const action = readAction(scope, entry, fields.action);
  const sources = readAliases(scope, SSH_SOURCE, fields.src);
  const destinations = readAliases(scope, SSH_DESTINATION, fields.dst);
  for (const { value, place: at } of destinations) {
    const fault = pairFault(sources, value);
    if (fault !== undefined) problems.add(at, fault.message, fault.hint);
  }
  return {
    place,
    action: action ?? 'accept',
    sources,
    destinations,
    users: readUsers(scope, entry, fields.users),
    checkPeriodMs: readCheckPeriod(scope, action, fields.checkPeriod),
    acceptEnv: readAcceptEnv(scope, fields.acceptEnv),
    postures: readPostures(scope, fields.srcPosture),
  };
}

function readAction(
  { problems }: Scope,
  entry: Value,
  at: Value | undefined,
): SshRule['action'] | undefined {
  const text = at === undefined ? '' : readText(problems, at)?.trim();
  if (text === undefined || text === 'accept' || text === 'check') return text;
  const message = text === '' ? 'action must be specified' : `${quote(text)} is not a valid action`;
  problems.add(placeOf(at ?? entry), message, 'write "accept" or "check"');
  return undefined;
}

function readUsers(
  { problems }: Scope,
  entry: Value,
  at: Value | undefined,
): readonly Placed<string>[] {
  if (at === undefined || (at.tree.kind === 'list' && at.tree.items.length === 0)) {
    const hint = 'such as ["autogroup:nonroot", "root"]';
    problems.add(placeOf(at ?? entry), 'users must be specified', hint);
    return [];
  }
  return readTexts(problems, at).map(({ text, value }) => {
    const place = placeOf(value);
    if (text === '' || text === '*') {
      const hint = 'for all users but root write "autogroup:nonroot", and "root" beside it';
      problems.add(place, `user ${quote(text)} is not valid`, hint);
    }
    return { value: text, place };
  });
}

function readCheckPeriod(
  { problems }: Scope,
  action: SshRule['action'] | undefined,
  at: Value | undefined,
): number | undefined {
  const text = readText(problems, at)?.trim();
  if (at === undefined || text === undefined || text === '') {
    return action === 'check' ? DEFAULT_CHECK_PERIOD_MS : undefined;
  }
  const wrong = (message: string, hint?: string): undefined => {
    problems.add(placeOf(at), message, hint);
  };
  if (action === 'accept') return wrong('checkPeriod is only valid with action "check"');
  if (text === 'always') return 0;
  const period = parseGoDuration(text);
  if (!period.ok) return wrong(period.error, 'such as 12h, 90m, or always');
  const written = `checkPeriod ${formatGoDuration(period.value)}`;
  if (period.value < 0) return wrong(`${written} must be a positive duration`);
  if (period.value > MAX_CHECK_PERIOD_MS) return wrong(`${written} is above the max (168h)`);
  return period.value;
}

function readAcceptEnv({ problems }: Scope, at: Value | undefined): readonly string[] {
  return readTexts(problems, at).map(({ text, value }) => {
    if (text === '') {
      const hint = 'such as LANG, LC_* or FOO_?';
      problems.add(placeOf(value), 'acceptEnv values cannot be empty', hint);
    }
    return text;
  });
}

/**
 * A user who is named as a destination is the only source, and from a tagged device only tagged ones are
 * reached. Only `autogroup:member` opens the devices of others.
 */
function pairFault(sources: readonly Placed<Alias>[], destination: Alias): Fault | undefined {
  const tagged = sources.some(
    ({ value }) => value.kind === 'tag' || (value.kind === 'autogroup' && value.name === 'tagged'),
  );
  const instead = 'let tagged devices have a rule of their own, to tags';
  if (destination.kind === 'user') {
    const { name } = destination;
    if (tagged) {
      return {
        message: `tags in SSH source cannot access user-owned devices (${name})`,
        hint: instead,
      };
    }
    if (sources.every(({ value }) => value.kind === 'user' && value.name === name))
      return undefined;
    return {
      message: `user destination requires source to contain only that same user ${quote(name)}`,
      hint: 'for every user to their own devices write "dst": ["autogroup:self"]',
    };
  }
  if (destination.kind !== 'autogroup' || !tagged) return undefined;
  if (destination.name === 'self') {
    return {
      message:
        'autogroup:self destination requires source to contain only users or groups, not tags or autogroup:tagged',
      hint: instead,
    };
  }
  if (destination.name === 'member') {
    return {
      message: 'tags in SSH source cannot access autogroup:member (user-owned devices)',
      hint: instead,
    };
  }
  return undefined;
}
