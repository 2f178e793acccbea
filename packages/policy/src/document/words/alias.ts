/**
 * One name of a source or a destination, from its text. Only the form is read here: which names are
 * valid where, and whether they are defined, is for `selectors.ts`.
 *
 * A name is the first of these that it can be: an address or prefix, `*`, what its prefix says
 * (`group:`, `tag:`, `autogroup:`, `ipset:`, `user:`), a user if it has an `@`, or else a host.
 *
 * Source: Tailscale's policy file syntax §Reference users, §Autogroups, §Hosts, §IP sets.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { parsePrefixMasked, parsePrefixOrAddress, type Prefix } from '@malla/ip/prefix';
import { type Alias, type Autogroup, AUTOGROUPS } from '../../policy.ts';
import { askFor, didYouMean, nearest } from '../reading/nearest.ts';
import { quote } from '../reading/problem.ts';

/** What is wrong with a piece of text; the caller knows where it stands. */
export interface Fault {
  readonly message: string;
  readonly hint?: string | (() => string | undefined);
}

/** How to mend it. */
export function hintOf({ hint }: Fault): string | undefined {
  return typeof hint === 'function' ? hint() : hint;
}

const AUTOGROUP_PREFIX = 'autogroup:';

/** Reads a name; white space around it does not matter. Never throws. */
export function parseAlias(source: string): Result<Alias, Fault> {
  const text = source.trim();
  const prefix = parseAliasPrefix(text);
  if (prefix !== undefined) return ok({ kind: 'prefix', prefix });
  if (text === '*') return ok({ kind: 'any' });
  const colon = text.indexOf(':');
  const parse = colon === -1 ? undefined : PREFIXED.get(text.slice(0, colon + 1));
  if (parse !== undefined) return parse(text);
  if (text.includes('@')) return ok({ kind: 'user', name: text });
  if (text === '') return fail({ message: 'a name cannot be empty' });
  if (colon === -1) return ok({ kind: 'host', name: text });
  return fail({
    message: `invalid alias format: ${quote(text)}`,
    hint: () => {
      const meant = nearest(text.slice(0, colon + 1), PREFIXED.keys());
      return meant === undefined
        ? 'a name with a colon begins with group:, tag:, autogroup:, ipset: or user:'
        : askFor(meant + text.slice(colon + 1));
    },
  });
}

/** An address or a prefix; host bits are dropped, as everywhere in the language. */
export function parseAliasPrefix(text: string): Prefix | undefined {
  const parsed = text.includes('/') ? parsePrefixMasked(text) : parsePrefixOrAddress(text);
  return parsed.ok ? parsed.value : undefined;
}

type Parse = (text: string) => Result<Alias, Fault>;

const PREFIXED: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ['group:', parseGroup],
  ['tag:', (name) => ok({ kind: 'tag', name })],
  ['ipset:', (name) => ok({ kind: 'ipset', name })],
  [AUTOGROUP_PREFIX, parseAutogroup],
  ['user:', parseDomain],
  ['svc:', refuseService],
]);

function parseGroup(name: string): Result<Alias, Fault> {
  if (!name.includes('@')) return ok({ kind: 'group', name });
  return fail({
    message: `${quote(name)} is a group of an identity provider: those are not supported`,
    hint: 'list its members in a group of "groups"',
  });
}

function parseDomain(text: string): Result<Alias, Fault> {
  const domain = text.slice('user:*@'.length);
  if (text.startsWith('user:*@') && /^[^\s@*:]+$/.test(domain))
    return ok({ kind: 'domain', domain });
  return fail({
    message: `${quote(text)} is not of the form user:*@domain`,
    hint: 'for one user write the name without "user:"',
  });
}

function refuseService(text: string): Result<never, Fault> {
  return fail({
    message: `${quote(text)} is not supported: this server has no services`,
    hint: 'name the tag of the devices that offer it',
  });
}

function parseAutogroup(text: string): Result<Alias, Fault> {
  const name = text.slice(AUTOGROUP_PREFIX.length);
  // The name that it had first.
  const current = name === 'members' ? 'member' : name;
  if (isAutogroup(current)) return ok({ kind: 'autogroup', name: current });
  const refused = REFUSED_AUTOGROUPS.get(current);
  if (refused !== undefined) {
    return fail({ message: `${quote(text)} is not supported: ${refused}` });
  }
  return fail({
    message: `invalid autogroup: ${quote(text)}`,
    hint: () =>
      didYouMean(
        text,
        AUTOGROUPS.map((known) => AUTOGROUP_PREFIX + known),
      ) ?? `there are ${AUTOGROUPS.join(', ')}`,
  });
}

const REFUSED_AUTOGROUPS: ReadonlyMap<string, string> = new Map([
  ['nonroot', 'it is a user of SSH rules, not a source or a destination'],
]);

function isAutogroup(name: string): name is Autogroup {
  return (AUTOGROUPS as readonly string[]).includes(name);
}
