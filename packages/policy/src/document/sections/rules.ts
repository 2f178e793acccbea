/**
 * Access rules: the entries of `acls`. And the rule about `autogroup:self`, which grants share.
 *
 * Source: Tailscale's policy file syntax §ACLs. Observed: the hosted service, April 2026.
 */
import type { Alias, Destination, Placed, Rule } from '../../policy.ts';
import type { Fault } from '../words/alias.ts';
import { parsePorts, splitHostPorts } from '../words/ports.ts';
import { quote } from '../reading/problem.ts';
import { admit, parseProtocol } from '../words/protocols.ts';
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
  checkAlias,
  DESTINATION,
  readAliases,
  readPostures,
  type Scope,
  SOURCE,
  warnOfNobody,
} from '../words/selectors.ts';

const FIELDS: FieldTable<'action' | 'src' | 'proto' | 'dst' | 'srcPosture'> = {
  names: ['action', 'src', 'proto', 'dst', 'srcPosture'],
  legacy: new Map([
    ['users', 'src'],
    ['ports', 'dst'],
  ]),
  comments: true,
};

/** Reads `acls`. */
export function readAccessRules(scope: Scope, at: Value | undefined): readonly Rule[] {
  return readList(scope.problems, at).map((entry) => readAccessRule(scope, entry));
}

/** Whether `autogroup:self` is among the destinations while a source has no user; `*` has some. */
export function selfSourceFault(
  sources: readonly Placed<Alias>[],
  destinations: readonly Destination[],
  anyIsFine: boolean,
): Fault | undefined {
  const self = destinations.some(
    ({ alias }) => alias.kind === 'autogroup' && alias.name === 'self',
  );
  if (!self || sources.every(({ value }) => hasUsers(value, anyIsFine))) return undefined;
  return {
    message: 'autogroup:self can only be used with users, groups, or supported autogroups',
    hint: 'let the sources be users, groups or autogroup:member',
  };
}

function hasUsers(alias: Alias, anyIsFine: boolean): boolean {
  switch (alias.kind) {
    case 'user':
    case 'domain':
    case 'group':
      return true;
    case 'autogroup':
      return alias.name !== 'tagged' && alias.name !== 'danger-all';
    case 'any':
      return anyIsFine;
    case 'tag':
    case 'host':
    case 'ipset':
    case 'prefix':
      return false;
  }
}

function readAccessRule(scope: Scope, entry: Value): Rule {
  const { problems } = scope;
  const fields = readFields(problems, entry, FIELDS);
  const place = placeOf(entry);
  checkAction(scope, entry, fields.action);
  const protocol = readProtocol(scope, fields.proto);
  const sources = readAliases(scope, SOURCE, fields.src);
  const destinations = readTexts(problems, fields.dst).flatMap(({ text, value }) => {
    const destination = readDestination(scope, text, value, protocol);
    return destination === undefined ? [] : [destination];
  });
  const self = selfSourceFault(sources, destinations, true);
  if (self !== undefined) problems.add(place, self.message, self.hint);
  const postures = readPostures(scope, fields.srcPosture);
  return { section: 'acls', place, sources, destinations, app: undefined, via: [], postures };
}

function checkAction({ problems }: Scope, entry: Value, at: Value | undefined): void {
  const action = at === undefined ? '' : readText(problems, at);
  if (action === undefined || action === 'accept') return;
  problems.add(
    placeOf(at ?? entry),
    `action=${quote(action)} is not supported`,
    'write "action": "accept"; what no rule accepts is denied',
  );
}

function readProtocol({ problems }: Scope, at: Value | undefined): number | undefined {
  const text = readText(problems, at);
  if (at === undefined || text === undefined || text === '') return undefined;
  const protocol = parseProtocol(text);
  if (protocol.ok) return protocol.value;
  problems.add(placeOf(at), protocol.error.message, protocol.error.hint);
  return undefined;
}

function readDestination(
  { problems, warnings, defined }: Scope,
  text: string,
  value: Value,
  protocol: number | undefined,
): Destination | undefined {
  const place = placeOf(value);
  const wrong = ({ message, hint }: Fault): undefined => {
    problems.add(place, message, hint);
  };
  const split = splitHostPorts(text);
  if (!split.ok) return wrong(split.error);
  const ports = parsePorts(split.value.ports);
  const { host } = split.value;
  if (!ports.ok) wrong(portFault(text, host, ports.error));
  // A name whose ports are missing was split in two; what is wrong with its first half helps nobody.
  if (!ports.ok && isPrefixWord(host)) return undefined;
  const alias = checkAlias(defined, DESTINATION, host);
  if (!alias.ok) return wrong(alias.error);
  if (!ports.ok) return undefined;
  const admission = admit(protocol, ports.value);
  if (!admission.ok) return wrong(admission.error);
  warnOfNobody(warnings, place, alias.value);
  return { alias: alias.value, place, admissions: [admission.value] };
}

function portFault(text: string, host: string, { message, hint }: Fault): Fault {
  const whole = `dst=${quote(text)}: ${message}`;
  if (isPrefixWord(host))
    return { message: whole, hint: `for all ports write ${quote(`${text}:*`)}` };
  return hint === undefined ? { message: whole } : { message: whole, hint };
}

/** What stands before the colon of names. */
function isPrefixWord(text: string): boolean {
  return /^(?:tag|group|autogroup|ipset|user)$/.test(text);
}
