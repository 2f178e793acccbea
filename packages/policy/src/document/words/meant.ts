/**
 * What somebody most likely meant by a name that is not valid where it stands: the same name with what
 * has to stand before it (`tag:web`), a name that is spelt alike, or a local user (`ann@`).
 */
import type { Alias, Autogroup } from '../../policy.ts';
import { askFor, nearest } from '../reading/nearest.ts';

/** The names that a policy defines. */
export interface Names {
  readonly groups: ReadonlySet<string>;
  readonly tags: ReadonlySet<string>;
  readonly hosts: ReadonlyMap<string, unknown>;
  readonly ipsets: ReadonlySet<string>;
}

/** What is taken where the name stands. */
export interface Taken {
  readonly kinds: ReadonlySet<Alias['kind']>;
  readonly autogroups: ReadonlySet<Autogroup>;
}

/** The name that is meant; undefined if none suggests itself. */
export function meantBy(
  text: string,
  { groups, tags, hosts, ipsets }: Names,
  { kinds, autogroups }: Taken,
): string | undefined {
  if (text === '*') return autogroups.has('member') ? 'autogroup:member' : undefined;
  const prefixed = [
    [kinds.has('group') ? groups : NONE, 'group:'],
    [kinds.has('tag') ? tags : NONE, 'tag:'],
    [kinds.has('autogroup') ? autogroups : NONE, ''],
    [kinds.has('ipset') ? ipsets : NONE, 'ipset:'],
  ] as const;
  // What stands before a colon may be what is wrong: group:admin, host:nas.
  const bare = text.slice(text.indexOf(':') + 1);
  for (const [names, prefix] of prefixed) {
    if (!names.has(prefix + bare)) continue;
    return prefix === '' ? `autogroup:${bare}` : prefix + bare;
  }
  const host = hosts.has(bare) ? bare : nearest(text, hosts.keys());
  if (host !== undefined && kinds.has('host')) return host;
  return kinds.has('user') && !hosts.has(text) ? userMeantBy(text) : undefined;
}

/** The user whom a text without an `@` means, or one with `user:` before it; undefined if it can be none. */
export function userMeantBy(text: string): string | undefined {
  const name = text.startsWith('user:') ? text.slice('user:'.length) : text;
  if (LOCAL_USER.test(name)) return `${name}@`;
  return name !== text && /^[^\s@*:]+@[^\s@*:]*$/.test(name) ? name : undefined;
}

/** The hint that asks for it. */
export function didYouMeanName(text: string, names: Names, taken: Taken): string | undefined {
  const meant = meantBy(text, names, taken);
  if (meant === undefined) return undefined;
  const question = askFor(meant);
  const tagged = text === '*' && taken.autogroups.has('tagged');
  return tagged ? `${question} it means devices of users; others are "autogroup:tagged"` : question;
}

/** The hint for a name that lacks what has to stand before names of its kind. */
export function prefixHint(name: string, prefix: string): string | undefined {
  const bare = name.slice(name.indexOf(':') + 1);
  return name.startsWith(prefix) || bare === '' ? undefined : askFor(prefix + bare);
}

const NONE: ReadonlySet<string> = new Set();

/** What a local user may be called. */
const LOCAL_USER = /^\p{L}[\p{L}\p{Nd}._-]+$/u;
