/**
 * Which names are valid where: each list of names has a role, which says what kinds of names it takes,
 * and every name in it must be defined. Users are the exception: the policy may name people who have
 * not come yet.
 *
 * Source: Tailscale's policy file syntax §src, §dst, §Autogroups, §Tailscale SSH, §Tag owners. Observed:
 * the messages, April 2026.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Prefix } from '@malla/ip/prefix';
import type { Alias, Autogroup, Place, Placed } from '../../policy.ts';
import { type Fault, hintOf, parseAlias } from './alias.ts';
import { didYouMeanName } from './meant.ts';
import { askFor, didYouMean } from '../reading/nearest.ts';
import { type ProblemList, quote } from '../reading/problem.ts';
import { placeOf, readTexts, type Value } from '../reading/read.ts';

/** The names that a policy defines. Those whose definition is wrong count, so that one mistake is one problem. */
export interface Defined {
  readonly groups: ReadonlySet<string>;
  readonly tags: ReadonlySet<string>;
  /** Undefined: the address is wrong. */
  readonly hosts: ReadonlyMap<string, Prefix | undefined>;
  readonly ipsets: ReadonlySet<string>;
  readonly postures: ReadonlySet<string>;
}

/** What the checks of all sections share. */
export interface Scope {
  readonly problems: ProblemList;
  /** What is taken and has no effect. */
  readonly warnings: ProblemList;
  readonly defined: Defined;
}

/** What a list of names is for. */
export interface Role {
  /** Begins messages about names that are not defined, as the service does. */
  readonly prefix: (text: string) => string;
  readonly kinds: ReadonlySet<Alias['kind']>;
  readonly autogroups: ReadonlySet<Autogroup>;
  /** What is said of a name that is not for this role. */
  readonly refusal: (text: string, alias: Alias) => Fault;
  /** That a name means nobody harms nothing here, as administrators may do the same. */
  readonly mayMeanNobody?: true;
}

/** Autogroups of users with a role, which nobody has yet. */
const ADMINISTRATORS = [
  'owner',
  'admin',
  'network-admin',
  'it-admin',
  'billing-admin',
  'auditor',
] as const;
/** Autogroups that mean users or devices wherever they stand. */
const IDENTITIES = ['member', 'tagged', ...ADMINISTRATORS] as const;
const WITH_A_ROLE: ReadonlySet<Autogroup> = new Set(ADMINISTRATORS);
const NAMES = ['user', 'domain', 'group', 'tag', 'autogroup'] as const;
const ADDRESSES = ['host', 'ipset', 'prefix'] as const;

const srcPrefix = (): string => 'src=';
const dstPrefix = (text: string): string => `dst=${quote(text)}: `;
const noPrefix = (): string => '';

const notASource = (text: string, alias: Alias): Fault => ({
  message: `${quote(text)} not valid on the src side of a rule`,
  ...(alias.kind === 'autogroup' && alias.name === 'internet'
    ? { hint: 'autogroup:internet can only be a destination' }
    : {}),
});

export const SOURCE: Role = {
  prefix: srcPrefix,
  kinds: new Set(['any', ...NAMES, ...ADDRESSES]),
  autogroups: new Set([...IDENTITIES, 'danger-all', 'shared']),
  refusal: notASource,
};

export const DESTINATION: Role = {
  prefix: dstPrefix,
  kinds: SOURCE.kinds,
  autogroups: new Set([...IDENTITIES, 'self', 'internet']),
  refusal: (text) => ({ message: `cannot use ${text} as a dst`, hint: 'write * for every device' }),
};

export const SSH_SOURCE: Role = {
  prefix: srcPrefix,
  kinds: new Set(NAMES),
  autogroups: new Set([...IDENTITIES, 'shared']),
  refusal: (text, alias) =>
    alias.kind === 'autogroup'
      ? notASource(text, alias)
      : {
          message: `invalid src ${quote(text)}`,
          hint: 'an SSH source is a user, a group, a tag or an autogroup, as addresses prove no identity',
        },
};

export const SSH_DESTINATION: Role = {
  prefix: dstPrefix,
  kinds: new Set(['user', 'tag', 'autogroup']),
  autogroups: new Set(['member', 'tagged', 'self']),
  refusal: (text, alias) => ({
    message:
      alias.kind === 'any'
        ? 'invalid dst "*": wildcard (*) is not supported as SSH destination'
        : `invalid dst ${quote(text)}`,
    hint: 'an SSH destination is a tag, autogroup:self, autogroup:member, autogroup:tagged, or the user who is the only source',
  }),
};

/** Who nodeAttrs are for. */
export const TARGET: Role = {
  prefix: (text) => `target=${quote(text)}: `,
  kinds: SOURCE.kinds,
  autogroups: new Set(IDENTITIES),
  refusal: (text) => ({ message: `${quote(text)} not valid as a target` }),
};

/** Whose routes are approved at once. */
export const APPROVER: Role = {
  prefix: noPrefix,
  kinds: new Set(NAMES),
  autogroups: new Set(IDENTITIES),
  refusal: (text) => ({
    message: `invalid owner: ${quote(text)}`,
    hint: 'write a user, a group, a tag or an autogroup',
  }),
};

/** Who may give a tag to a device. */
export const OWNER: Role = { ...APPROVER, mayMeanNobody: true };

export const TEST_SOURCE: Role = {
  prefix: srcPrefix,
  kinds: new Set([...NAMES, ...ADDRESSES]),
  autogroups: new Set(IDENTITIES),
  refusal: notASource,
};

export const TEST_DESTINATION: Role = {
  prefix: dstPrefix,
  kinds: TEST_SOURCE.kinds,
  autogroups: new Set([...IDENTITIES, 'self']),
  refusal: (text) => ({ message: `${quote(text)} not valid as a test destination` }),
};

/** Reads one name for a role. Never throws. */
export function checkAlias(defined: Defined, role: Role, source: string): Result<Alias, Fault> {
  const text = source.trim();
  const refuse = (fault: Fault): Result<never, Fault> => {
    return fail({ ...fault, hint: () => didYouMeanName(text, defined, role) ?? hintOf(fault) });
  };
  const alias = parseAlias(text);
  if (!alias.ok) return refuse(alias.error);
  const { kind } = alias.value;
  const suits =
    role.kinds.has(kind) && (kind !== 'autogroup' || role.autogroups.has(alias.value.name));
  if (!suits) return refuse(role.refusal(text, alias.value));
  const fault = undefinedName(defined, alias.value);
  if (fault === undefined) return ok(alias.value);
  return refuse({ ...fault, message: role.prefix(text) + fault.message });
}

/**
 * Reads a list of names for a role; what is wrong is reported and left out. That a name means nobody is a
 * warning: policies of the hosted service let administrators in by their role.
 */
export function readAliases(
  { problems, warnings, defined }: Scope,
  role: Role,
  at: Value | undefined,
): readonly Placed<Alias>[] {
  return readTexts(problems, at).flatMap(({ text, value }) => {
    const place = placeOf(value);
    const alias = checkAlias(defined, role, text);
    if (alias.ok) {
      if (role.mayMeanNobody !== true) warnOfNobody(warnings, place, alias.value);
      return [{ value: alias.value, place }];
    }
    problems.add(place, alias.error.message, alias.error.hint);
    return [];
  });
}

/** Warns of a name that is valid and means nobody. */
export function warnOfNobody(warnings: ProblemList, place: Place, alias: Alias): void {
  if (alias.kind !== 'autogroup') return;
  if (alias.name === 'shared') {
    const why = 'means nobody: nodes are not shared between tailnets here';
    warnings.add(place, `"autogroup:shared" ${why}`, 'take it out');
  }
  if (!WITH_A_ROLE.has(alias.name)) return;
  const what = `"autogroup:${alias.name}" means nobody: no user has a role here`;
  warnings.add(place, what, 'name users or a group');
}

/** Reads the names of postures, one of which a source must satisfy. */
export function readPostures(
  { problems, defined }: Scope,
  at: Value | undefined,
): readonly Placed<string>[] {
  return readTexts(problems, at).flatMap(({ text, value }) => {
    const place = placeOf(value);
    if (defined.postures.has(text)) return [{ value: text, place }];
    const prefixed = `posture:${text}`;
    const hint = (): string =>
      defined.postures.has(prefixed)
        ? askFor(prefixed)
        : (didYouMean(text, defined.postures) ?? 'define it in "postures"');
    problems.add(place, `posture not found: ${quote(text)}`, hint);
    return [];
  });
}

/** What is wrong with a name that the policy does not define. */
function undefinedName(defined: Defined, alias: Alias): Fault | undefined {
  switch (alias.kind) {
    case 'group':
      return missing(defined.groups, alias.name, 'group not defined in policy', 'groups');
    case 'tag':
      return missing(defined.tags, alias.name, 'tag not found', 'tagOwners');
    case 'ipset':
      return missing(defined.ipsets, alias.name, 'ipset not found', 'ipsets');
    case 'host':
      return defined.hosts.has(alias.name)
        ? undefined
        : {
            message: `host not defined in policy: ${quote(alias.name)}: invalid address`,
            hint: 'define it in "hosts"; a user has an @ in the name, a tag begins with tag:',
          };
    case 'any':
    case 'user':
    case 'domain':
    case 'autogroup':
    case 'prefix':
      return undefined;
  }
}

function missing(
  names: ReadonlySet<string>,
  name: string,
  what: string,
  section: string,
): Fault | undefined {
  if (names.has(name)) return undefined;
  const hint = (): string => didYouMean(name, names) ?? `define it in "${section}"`;
  return { message: `${what}: ${quote(name)}`, hint };
}
