/**
 * The sections that give names: `groups`, `hosts` and `tagOwners`.
 *
 * Source: Tailscale's policy file syntax §Groups, §Hosts, §Tag owners; the rules for tags are those by
 * which clients check the tags that they ask for. headscale's policies may have others, which administrators
 * give.
 */
import type { Prefix } from '@malla/ip/prefix';
import type { Alias, Placed } from '../../policy.ts';
import { type Fault, parseAlias, parseAliasPrefix } from '../words/alias.ts';
import { prefixHint, userMeantBy } from '../words/meant.ts';
import { askFor } from '../reading/nearest.ts';
import { type ProblemList, quote } from '../reading/problem.ts';
import { type Entry, isNull, placeOf, readTexts, readText } from '../reading/read.ts';
import { OWNER, readAliases, type Scope } from '../words/selectors.ts';

/** Reads `groups`: each a list of users. */
export function readGroups(
  problems: ProblemList,
  entries: readonly Entry[],
): ReadonlyMap<string, readonly Placed<string>[]> {
  return new Map(
    entries.map(({ name, place, value }) => {
      const fault = groupNameFault(name);
      if (fault !== undefined) problems.add(place, fault.message, fault.hint);
      if (isNull(value.tree)) return [name, []];
      if (value.tree.kind !== 'list') {
        const message = `group value must be an array of users: group ${quote(name)}`;
        problems.add(placeOf(value), message, 'write [] around the users');
        return [name, []];
      }
      const members = readTexts(problems, value).flatMap(({ text, value: item }) => {
        const wrong = memberFault(name, text);
        const at = placeOf(item);
        if (wrong === undefined) return [{ value: text, place: at }];
        problems.add(at, wrong.message, wrong.hint);
        return [];
      });
      return [name, members];
    }),
  );
}

/** Reads `hosts`: each an address or a prefix. */
export function readHosts(
  problems: ProblemList,
  entries: readonly Entry[],
): ReadonlyMap<string, Prefix | undefined> {
  return new Map(
    entries.map(({ name, place, value }) => {
      if (/[@:,\s]/.test(name) || name === '' || name === '*' || parseAliasPrefix(name)) {
        const hint = 'a host has no @, colon, comma or space in its name and is no address';
        problems.add(place, `invalid hostname: ${quote(name)}`, hint);
      }
      const text = readText(problems, value);
      const prefix = text === undefined ? undefined : parseAliasPrefix(text.trim());
      if (text !== undefined && prefix === undefined) {
        const message = `hostname contains invalid IP address: hostname ${quote(name)} address ${quote(text)}`;
        problems.add(placeOf(value), message, 'such as 192.0.2.7 or 192.0.2.0/24');
      }
      return [name, prefix];
    }),
  );
}

/** Reads `tagOwners`: who may give each tag to a device. An empty list means the admins. */
export function readTagOwners(
  scope: Scope,
  entries: readonly Entry[],
): ReadonlyMap<string, readonly Placed<Alias>[]> {
  return new Map(
    entries.map(({ name, place, value }) => {
      const fault = tagNameFault(name);
      if (fault !== undefined) {
        const hint = prefixHint(name, 'tag:');
        scope.problems.add(place, `tagOwners[${quote(name)}]: ${fault}`, hint);
      } else {
        for (const { what, hint } of limitsOf(name)) {
          scope.warnings.add(place, `tagOwners[${quote(name)}]: ${what}`, hint);
        }
      }
      const owners = readAliases(scope, OWNER, value);
      const admins: Alias = { kind: 'autogroup', name: 'admin' };
      const empty = value.tree.kind === 'list' && value.tree.items.length === 0;
      return [name, empty ? [{ value: admins, place: placeOf(value) }] : owners];
    }),
  );
}

/** Who cannot give a tag that is valid in a policy. */
function limitsOf(tag: string): readonly { readonly what: string; readonly hint: string }[] {
  return [
    ...(/[._]/.test(tag)
      ? [
          {
            what: 'clients cannot ask for it: they take only numbers, letters and dashes',
            hint: 'give it by a pre-auth key or by `malla nodes tag`',
          },
        ]
      : []),
    ...(/[A-Z]/.test(tag)
      ? [
          {
            what: 'pre-auth keys and `malla nodes tag` cannot give it: they take only lower case',
            hint: `write ${quote(tag.toLowerCase())}`,
          },
        ]
      : []),
  ];
}

function groupNameFault(name: string): Fault | undefined {
  if (!name.startsWith('group:') || name === 'group:') {
    const message = `group must start with 'group:', got: ${quote(name)}`;
    return { message, hint: () => prefixHint(name, 'group:') };
  }
  const alias = parseAlias(name);
  return alias.ok ? undefined : alias.error;
}

function memberFault(group: string, text: string): Fault | undefined {
  if (text.startsWith('group:')) {
    return {
      message: `groups[${quote(group)}]: ${quote(text)}: group members cannot be recursive`,
      hint: 'list its members instead',
    };
  }
  const alias = parseAlias(text);
  if (alias.ok && alias.value.kind === 'user') return undefined;
  const meant = userMeantBy(text);
  return {
    message: `username must contain @, got: ${quote(text)}`,
    hint: meant === undefined ? MEMBERS_ARE_USERS : askFor(meant),
  };
}

const MEMBERS_ARE_USERS =
  'only users can be members of a group; name tags and autogroups beside it, in the rules';

function tagNameFault(tag: string): string | undefined {
  if (!tag.startsWith('tag:')) return `tag must start with 'tag:', got: ${quote(tag)}`;
  const name = tag.slice('tag:'.length);
  if (name === '') return 'tag names must not be empty';
  if (!/^[A-Za-z]/.test(name)) return "tag names must start with a letter, after 'tag:'";
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    return 'tag names can only contain numbers, letters, or dashes';
  return undefined;
}
